"""How every command prints: JSON for programs, tables without frames for people."""

from __future__ import annotations

import os
import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.cells import cell_len

from writegate.contract.json_values import show_json

# Control characters, eight-bit ones included, except tab and line feed.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_NUMBER = re.compile(r"-?[0-9][0-9,]*(\.[0-9]+)?")
_GAP = "  "
_UNLIMITED_COLUMNS = 1_000_000  # for output to a file or another program

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def print_json(value: Any) -> None:
    """Print JSON; times in ISO 8601."""
    typer.echo(show_json(value, indent=2, default=_json_default))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print rows under their headings, or, where a terminal is too narrow for them, each row as a list of its values.

    No value is ever cut or broken, except between words: ids are copied from what is printed.
    """
    texts = [[format_cell(value) for value in row] for row in rows]
    width = _line_columns()
    for line in table_lines(columns, texts, width) or record_lines(columns, texts, width):
        typer.echo(line)


def print_text(text: str) -> None:
    """Print a sentence, wrapped between words on a terminal, on one line elsewhere. Control characters are escaped."""
    for line in text_lines(escape_controls(text), _line_columns()):
        typer.echo(line)


def coloured(text: str, colour: str) -> str:
    """Return a text in a colour, unless ``NO_COLOR`` is set (https://no-color.org). Files and pipes get none anyway."""
    return text if os.environ.get("NO_COLOR") else typer.style(text, fg=colour)


def table_lines(columns: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """Return headings and rows as lines; none when one would be wider than ``width`` or a value has several lines."""
    if any("\n" in text for row in rows for text in row):
        return []
    widths = [max(map(cell_len, column)) for column in zip(columns, *rows, strict=True)]
    if sum(widths) + len(_GAP) * (len(widths) - 1) > width:
        return []
    right = [_are_numbers([row[place] for row in rows]) for place in range(len(columns))]
    heading, *lines = (_line(row, widths, right) for row in (columns, *rows))
    return [typer.style(heading, bold=True), *lines]


def record_lines(columns: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """Return each row as lines of a column's name and its value, with an empty line between rows."""
    names = max(map(cell_len, columns))
    lines: list[str] = []
    for row in rows:
        lines += [""] if lines else []
        for name, text in zip(columns, row, strict=True):
            first, *others = text_lines(text, width - names - len(_GAP)) or [""]
            lines.append(f"{typer.style(_padded(name, names, right=False), bold=True)}{_GAP}{first}".rstrip())
            lines += [" " * (names + len(_GAP)) + other for other in others]
    return lines


def text_lines(text: str, width: int) -> list[str]:
    """Return a text as lines, wrapped between words. A word that is longer than ``width`` stays whole."""
    return [
        line
        for paragraph in text.split("\n")
        for line in textwrap.wrap(
            paragraph, max(width, 1), break_long_words=False, break_on_hyphens=False, drop_whitespace=True
        )
        or [""]
    ]


def format_cell(value: Any) -> str:
    """Return a value as people read it, an empty text for None. Control characters are escaped: ``\\x1b``."""
    if value is None:
        return ""
    return value.isoformat(" ", "milliseconds") if isinstance(value, datetime) else escape_controls(str(value))


def escape_controls(text: str) -> str:
    """Return a text that no terminal acts on: anybody can put control characters into ids, keys and reasons."""
    return _CONTROLS.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


def _line(texts: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    cells = zip(texts, widths, right, strict=True)
    return _GAP.join(_padded(text, width, right=to_right) for text, width, to_right in cells).rstrip()


def _padded(text: str, width: int, *, right: bool) -> str:
    fill = " " * (width - cell_len(text))
    return fill + text if right else text + fill


def _are_numbers(texts: Sequence[str]) -> bool:
    return any(texts) and all(not text or _NUMBER.fullmatch(text) for text in texts)


def _line_columns() -> int:
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else _UNLIMITED_COLUMNS


def _json_default(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
