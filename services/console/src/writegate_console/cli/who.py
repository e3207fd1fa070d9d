"""``writegate who``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from writegate.cli.output import Json, print_json, print_table, print_text
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
        if author.batch is not None:
            print_table(tuple(author.batch), [tuple(author.batch.values())])
        print_text(author.summary)
        for id_ in author.commands:
            typer.echo(f"  {id_}")
        if author.others:
            typer.echo(f"  and {author.others} others")
    if author.batch is None:
        raise typer.Exit(3)
