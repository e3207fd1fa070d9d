"""``list`` and ``show`` of ``writegate parked`` and ``writegate deferred``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from writegate.cli.output import Json, escape_controls, format_cell, print_json, print_table
from writegate.contract.json_values import show_json
from writegate.contract.operations import KeptTable
from writegate.errors import WritegateError
from writegate_console.cli.kept.options import (
    Before,
    Numbers,
    OfCause,
    OfCommand,
    OfId,
    OfKey,
    OfService,
    Since,
    WithText,
    selection_of,
)
from writegate_console.gate.audit import actions_on
from writegate_console.gate.database import Database, Row, reading
from writegate_console.gate.kept.fields import BODY_NOT_KEPT, body_digest, fields_of
from writegate_console.gate.kept.listing import full_rows, single_commands, summarize

LIST_HELP = "Show what is {}, by service, cause and command. Exit code 0: shown, 1: failed."
SHOW_HELP = "Show a {} command with all that is known of it. Exit code 0: shown, 1: there is none."


def list_of(kept: KeptTable) -> Callable[..., None]:
    """Return the subcommand that lists what is kept in a table."""

    def list_kept(  # noqa: PLR0913, PLR0917  options
        numbers: Numbers = None,
        service: OfService = None,
        cause: OfCause = None,
        command: OfCommand = None,
        key: OfKey = None,
        id_: OfId = None,
        text: WithText = None,
        since: Since = None,
        before: Before = None,
        each: Annotated[
            bool, typer.Option("--each", help="Single commands, oldest first, in place of groups.")
        ] = False,
        limit: Annotated[int, typer.Option("--limit", min=1, help="With --each: at most so many.")] = 50,
        json_: Json = False,
    ) -> None:
        selection = selection_of(numbers, service, cause, command, key, id_, text, since, before)
        with reading() as database:
            listed = single_commands(database, kept, selection, limit) if each else None
            rows = summarize(database, kept, selection) if listed is None else listed
        if json_:
            print_json([dict(row) for row in rows])
        elif rows:
            print_table(list(rows[0]), (tuple(row.values()) for row in rows))
        else:
            typer.echo(f"nothing is {kept.name}" + ("" if str(selection) == "all" else f" with {selection}"))

    return list_kept


def show_of(kept: KeptTable) -> Callable[..., None]:
    """Return the subcommand that shows a single command of a table."""

    def show(
        name: Annotated[str, typer.Argument(metavar="NUMBER|ID", help="As the list shows it.")],
        *,
        json_: Json = False,
    ) -> None:
        with reading() as database:
            rows = existing_rows(database, kept, name)
            found = [_described(row, actions_on(database, kept, row["number"])) for row in rows]
        if json_:
            print_json(found)
            return
        for described in found:
            _print_described(described)

    return show


def existing_rows(database: Database, kept: KeptTable, name: str) -> list[Row]:
    """Return the rows with a number or id. Raises :class:`WritegateError` when there are none."""
    rows = full_rows(database, kept, name)
    if not rows:
        raise WritegateError(f"nothing was ever {kept.name} as {name}: see `writegate {kept.name} list`")
    return rows


def _described(row: Row, history: list[Row]) -> dict[str, Any]:
    raw = bytes(row["raw"])
    fields = fields_of(raw)
    body = {"fields": fields} if fields is not None else {"body": raw.decode(errors="replace") or BODY_NOT_KEPT}
    facts = {name: row[name] for name in row if name != "raw"}
    return {**facts, **body, "sha256": body_digest(raw), "history": history}


def _print_described(described: dict[str, Any]) -> None:
    for title, value in described.items():
        if title == "history":
            continue
        is_object = isinstance(value, dict)
        text = escape_controls(show_json(value, indent=2)) if is_object else format_cell(value)
        typer.echo(f"{title:10} {text}")
    for action in described["history"]:
        at, who, reason = (format_cell(action[name]) for name in ("at", "who", "reason"))
        typer.echo(f"{at} {action['action']} by {who}: {reason}")
