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

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def print_json(value: Any) -> None:
    """Print JSON; times in ISO 8601."""
    typer.echo(json.dumps(value, indent=2, default=_plain))


def print_table(console: Console, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print rows under their headings."""
    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        # Not as markup: names and reasons are anybody's, brackets included.
        table.add_row(*(Text(shown(value)) for value in row))
    console.print(table)


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
