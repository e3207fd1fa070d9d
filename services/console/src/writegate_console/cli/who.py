"""``writegate who``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console

from writegate_console.cli.output import Json, print_json, print_table
from writegate_console.gate.database import reading
from writegate_console.gate.who.queries import find


def who(
    table: Annotated[str, typer.Argument(help="A table of the gate, with its schema: flights.airport_day.")],
    key: Annotated[list[str], typer.Argument(help="The row's primary key, a value for each of its columns.")],
    *,
    json_: Json = False,
) -> None:
    """Tell which batch last wrote a row. Exit code 0: told, 1: no such row or table, 3: it is unknown."""
    with reading() as database:
        written = find(database, table, key)
    if json_:
        print_json(asdict(written))
    else:
        console = Console(soft_wrap=True)
        if written.batch is not None:
            print_table(console, tuple(written.batch), [tuple(written.batch.values())])
        console.print(written.summary, markup=False)
        for id_ in written.commands:
            console.print(f"  {id_}", highlight=False)
        if written.others:
            console.print(f"  and {written.others} others", highlight=False)
    if written.batch is None:
        raise typer.Exit(3)
