"""How every command here prints: JSON for programs, tables without frames for people."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

_PIPE_COLUMNS = 1000  # what is no terminal has no width

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def print_json(value: Any) -> None:
    """Print JSON; times in ISO 8601."""
    typer.echo(json.dumps(value, indent=2, default=_plain))


def print_table(console: Console, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print rows under their headings. Nothing is cut: a cause or a number is there to be typed again."""
    if not console.is_terminal:
        console.width = max(console.width, _PIPE_COLUMNS)
    headings = (Column(name, overflow="fold") for name in columns)
    table = Table(*headings, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        # Not as markup: names and reasons are anybody's, brackets included.
        table.add_row(*(Text(shown(value)) for value in row))
    console.print(table)


def shown(value: Any) -> str:
    """Return a value as people read it; nothing for None."""
    if value is None:
        return ""
    return value.isoformat(" ", "milliseconds") if isinstance(value, datetime) else str(value)


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
