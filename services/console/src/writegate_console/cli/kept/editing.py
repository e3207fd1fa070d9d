"""``writegate parked edit``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from writegate.cli.output import Json, print_json
from writegate.contract.json_values import show_json
from writegate.contract.operations import PARKED, Edit
from writegate.errors import WritegateError
from writegate.session_name import login_name
from writegate_console.cli.kept.listing import existing_rows
from writegate_console.cli.options import By, Reason
from writegate_console.gate.database import reading
from writegate_console.gate.kept.fields import body_digest, fields_of, with_settings
from writegate_console.gate.operate import operate_once


def edit(  # noqa: PLR0913  options
    number: Annotated[int, typer.Argument(metavar="NUMBER", help="As `writegate parked list` shows it.")],
    *,
    reason: Reason,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="FIELD=JSON", help="Another value for a field.", show_default=False),
    ] = None,
    fields: Annotated[
        Path | None,
        typer.Option("--fields", help="All fields, a JSON object in a file; - for standard input.", show_default=False),
    ] = None,
    by: By = "",
    json_: Json = False,
) -> None:
    """Give a parked command other fields; it stays parked. Exit code 0: done, 1: its contract refuses them."""
    if (fields is None) == (not set_):
        raise typer.BadParameter("expected --set FIELD=JSON, once or more often, or --fields FILE")
    with reading() as database:
        raw = bytes(existing_rows(database, PARKED, str(number))[0]["raw"])
    new_fields = show_json(with_settings(fields_of(raw), set_ or ())) if fields is None else _read_text(fields)
    operation = Edit(number=number, fields=new_fields, was=body_digest(raw), by=by or login_name(), reason=reason)
    result = operate_once(operation)
    if json_:
        print_json(result)
    else:
        typer.echo(f"edited {number}: it stays parked until `writegate parked replay {number}`")


def _read_text(path: Path) -> str:
    try:
        return sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise WritegateError(f"cannot read {path}: {error}") from error
