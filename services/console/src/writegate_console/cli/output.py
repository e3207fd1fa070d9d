"""How every command prints: JSON for programs, tables without frames for people."""

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

# Control characters, eight-bit ones included, except tab and line feed.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

_UNLIMITED_COLUMNS = 100_000  # for output to a file or another program
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def print_json(value: Any) -> None:
    """Print JSON; times in ISO 8601."""
    typer.echo(json.dumps(value, indent=2, default=_json_default))


def print_table(console: Console, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print rows under their headings. Long values are folded on a terminal; elsewhere each row is one line."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(name, overflow="fold")
    for row in rows:
        # As Text, not as markup: anybody can put brackets into names and reasons.
        table.add_row(*(Text(format_cell(value)) for value in row))
    if not console.is_terminal:
        console.width = _UNLIMITED_COLUMNS
    console.print(table, soft_wrap=False)


def format_cell(value: Any) -> str:
    """Return a value as people read it, an empty text for None. Control characters are escaped: ``\\x1b``."""
    if value is None:
        return ""
    return value.isoformat(" ", "milliseconds") if isinstance(value, datetime) else escape_controls(str(value))


def escape_controls(text: str) -> str:
    """Return a text that no terminal acts on: anybody can put control characters into ids, keys and reasons."""
    return _CONTROLS.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


def _json_default(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
