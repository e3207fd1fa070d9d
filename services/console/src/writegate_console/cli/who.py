"""``writegate who``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console

from writegate_console.cli.output import Json, print_json, print_table
from writegate_console.gate.database import reading
from writegate_console.gate.who.queries import find_author


def who(
    table: Annotated[str, typer.Argument(help="A table of the gate, with its schema: flights.airport_day.")],
    key: Annotated[list[str], typer.Argument(help="The row's primary key, a value for each of its columns.")],
    *,
    json_: Json = False,
) -> None:
    """Show which batch last wrote a row. Exit code 0: shown, 1: no such row or table, 3: it is unknown."""
    with reading() as database:
        author = find_author(database, table, key)
    if json_:
        print_json(asdict(author))
    else:
        console = Console(soft_wrap=True)
        if author.batch is not None:
            print_table(console, tuple(author.batch), [tuple(author.batch.values())])
        console.print(author.summary, markup=False)
        for id_ in author.commands:
            console.print(f"  {id_}", highlight=False)
        if author.others:
            console.print(f"  and {author.others} others", highlight=False)
    if author.batch is None:
        raise typer.Exit(3)
