"""How every command here prints: JSON for programs, tables without frames for people."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

# Control characters but tab and line feed, those of eight bits too.
_OBEYED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

_WIDE = 100_000  # columns of what is no terminal: grep, a file
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def print_json(value: Any) -> None:
    """Print JSON; times in ISO 8601."""
    typer.echo(json.dumps(value, indent=2, default=_plain))


def print_table(console: Console, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print rows under their headings. Nothing is cut: on a terminal it is folded, elsewhere each row is a line."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(name, overflow="fold")
    for row in rows:
        # Not as markup: names and reasons are anybody's, brackets included.
        table.add_row(*(Text(shown(value)) for value in row))
    if not console.is_terminal:
        console.width = _WIDE
    console.print(table, soft_wrap=False)


def shown(value: Any) -> str:
    """Return a value as people read it; nothing for None. What a terminal would obey is told instead: ``\\x1b``."""
    if value is None:
        return ""
    return value.isoformat(" ", "milliseconds") if isinstance(value, datetime) else plain(str(value))


def plain(text: str) -> str:
    """Return a text without what a terminal would obey: ids, keys and reasons are anybody's."""
    return _OBEYED.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
