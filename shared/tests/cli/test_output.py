"""What commands print, on terminals of any width and elsewhere."""

from __future__ import annotations

import re

import pytest
import typer

from writegate.cli import output
from writegate.cli.asking import confirm
from writegate.cli.output import coloured, escape_controls, format_cell, print_table, record_lines, table_lines

COLUMNS = ("cause", "command", "id", "message")
ROW = ("sqlstate-23514", "flights.record_departure", "01a222a8-ea59-7122-ae22-af3ea6dd998d", "a check says no " * 8)


def plain(line: str) -> str:
    return re.sub("\x1b\\[[0-9]+m", "", line)


def test_no_terminal_acts_on_what_is_printed() -> None:
    assert format_cell("\x1b]0;title\x07 \x9b2J\r") == r"\x1b]0;title\x07 \x9b2J\x0d"
    assert escape_controls("two\nlines\tand \u2026 \u00e9") == "two\nlines\tand \u2026 \u00e9"


def test_elsewhere_than_on_a_terminal_a_row_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(COLUMNS, [ROW, ROW])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert all(text.strip() in lines[1] for text in ROW)


@pytest.mark.parametrize("width", [40, 80, 132])
def test_a_terminal_that_is_too_narrow_gets_a_line_for_each_value_and_breaks_none(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(output, "_line_columns", lambda: width)
    print_table(COLUMNS, [ROW, ROW])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["cause", "command", "id"]
    assert all(any(line.endswith(text) for line in lines) for text in ROW[:3])
    assert max(map(len, lines)) <= max(width, len("message  ") + len(ROW[2]))
    assert " ".join(" ".join(lines[3:-1]).split()).count("a check says no") >= 8


def test_a_table_that_fits_has_its_numbers_to_the_right() -> None:
    heading, *lines = map(plain, table_lines(("lane", "messages"), [("0", "1,000"), ("11", "")], 80))
    assert (heading, lines) == ("lane  messages", ["   0     1,000", "  11"])
    assert table_lines(("lane", "messages"), [("0", "1,000")], 13) == []


def test_wide_characters_take_two_columns() -> None:
    assert plain("|".join(table_lines(("key", "n"), [("東京", "x"), ("ab", "y")], 80))) == "key   n|東京  x|ab    y"


def test_a_value_of_several_lines_stays_beside_its_name() -> None:
    assert list(map(plain, record_lines(("a", "text"), [("1", "x\ny")], 80))) == [
        "a     1",
        "text  x",
        "      y",
    ]


def test_a_table_without_rows_is_its_headings() -> None:
    assert list(map(plain, table_lines(("a", "b"), [], 80))) == ["a  b"]


def test_no_color_is_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert coloured("refused", "red") != "refused"
    monkeypatch.setenv("NO_COLOR", "1")
    assert coloured("refused", "red") == "refused"


def test_where_nobody_can_answer_nothing_is_asked() -> None:
    with pytest.raises(typer.BadParameter, match="add --yes"):  # pytest's standard input is no terminal
        confirm("Make these changes?")
