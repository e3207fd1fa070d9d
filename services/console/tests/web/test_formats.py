"""Numbers and times, as people read them."""

from __future__ import annotations

import pytest

from writegate_console.web.views.format import format_duration, format_number


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "–"), (0.04, "0.0 s"), (59.6, "1 min"), (200, "3 min 20 s"), (7500, "2 h 5 min"), (273_600, "3 d 4 h")],  # noqa: RUF001
)
def test_durations_have_two_units(seconds: float | None, text: str) -> None:
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (0.44, "0.4"), (3.0, "3"), (812.4, "812"), (12_345, "12,345"), (1_234_567, "1.2 M")]
)
def test_numbers_are_short(value: float, text: str) -> None:
    assert format_number(value) == text
