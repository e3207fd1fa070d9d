"""What commands print."""

from __future__ import annotations

import io

from rich.console import Console

from writegate_console.cli.output import escape_controls, format_cell, print_table


def test_no_terminal_acts_on_what_is_printed() -> None:
    assert format_cell("\x1b]0;title\x07 \x9b2J\r") == r"\x1b]0;title\x07 \x9b2J\x0d"
    assert escape_controls("two\nlines\tand \u2026 \u00e9") == "two\nlines\tand \u2026 \u00e9"


def test_tables_are_cut_nowhere() -> None:
    words = ["sqlstate-23514", "flights.record_departure", "2026-01-31 14:00:00.000+00:00", "x" * 300]
    for console, lines in ((Console(file=io.StringIO()), 2), (Console(file=io.StringIO(), force_terminal=True), None)):
        print_table(console, ("cause", "command", "oldest", "message"), [words])
        printed = console.file.getvalue()  # type: ignore[attr-defined]
        assert printed.count("x") == 300
        assert lines is None or (printed.count("\n"), all(word in printed for word in words)) == (lines, True)
