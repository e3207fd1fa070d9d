"""What an edit changes."""

from __future__ import annotations

import pytest

from writegate.contract.json_values import read_json
from writegate_console.web.views.edits import field_changes


def test_an_edit_shows_what_changes() -> None:
    changes = field_changes({"distance": -1, "tail": "N1", "gone": None}, '{"distance": 5, "tail": "N1", "new": "x"}')
    assert [(change.field, change.before, change.after) for change in changes] == [
        ("distance", "-1", "5"),
        ("gone", "null", None),
        ("new", None, '"x"'),
    ]


@pytest.mark.parametrize("wrong", ["", "[1]", "{", "[" * 100_000])
def test_an_edit_takes_a_json_object(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        field_changes({}, wrong)


def test_an_edit_shows_every_digit() -> None:
    (change,) = field_changes({"amount": read_json("1.50")}, '{"amount": 12345678901234567.89}')
    assert (change.before, change.after) == ("1.50", "12345678901234567.89")
