"""``writegate trace``."""

from __future__ import annotations

from typing import Annotated

import typer

from writegate.cli.output import Json, format_cell, print_json, print_table
from writegate.errors import WritegateError
from writegate_console.gate.database import reading
from writegate_console.gate.trace.queries import command_rows
from writegate_console.gate.trace.story import events_of


def trace(
    id_: Annotated[str, typer.Argument(metavar="ID", help="The id of a command, as `publish` returned it.")],
    *,
    json_: Json = False,
) -> None:
    """Show what became of a command. Exit code 0: something is known of it, 1: nothing is."""
    with reading() as database:
        rows = command_rows(database, id_)
    if not rows.anything:
        raise WritegateError(
            f"nothing is known of {id_!r}: searched ledger, parked, deferred, suspect and outbox of "
            f"{', '.join(rows.services) or 'no service'}. It may still be in a queue or a publisher's spool, or be "
            "older than its service's retention"
        )
    events = events_of(rows)
    if json_:
        print_json({"id": id_, "events": [{"at": event.at, "what": event.what, **event.detail} for event in events]})
        return
    lines = (
        (event.at, event.what, "  ".join(f"{name} {format_cell(value)}" for name, value in event.detail.items()))
        for event in events
    )
    print_table(("at", "what", "detail"), lines)
