"""``writegate trace``."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from writegate.errors import WritegateError
from writegate_console.cli.output import Json, print_json, print_table, shown
from writegate_console.gate.database import reading
from writegate_console.gate.trace.queries import find
from writegate_console.gate.trace.story import events


def trace(
    id_: Annotated[str, typer.Argument(metavar="ID", help="The id of a command, as `publish` returned it.")],
    *,
    json_: Json = False,
) -> None:
    """Tell what became of a command. Exit code 0: something is known of it, 1: nothing is."""
    with reading() as database:
        found = find(database, id_)
    if not found.anything:
        raise WritegateError(
            f"nothing is known of {id_!r}: looked in ledger, parked, deferred, suspect and outbox of "
            f"{', '.join(found.services) or 'no service'}. It may still be in a queue or a publisher's spool, or be "
            "older than its service's retention"
        )
    happened = events(found)
    if json_:
        print_json({"id": id_, "events": [{"at": one.at, "what": one.what, **one.detail} for one in happened]})
        return
    told = (
        (one.at, one.what, "  ".join(f"{name} {shown(value)}" for name, value in one.detail.items()))
        for one in happened
    )
    print_table(Console(soft_wrap=True), ("at", "what", "detail"), told)
