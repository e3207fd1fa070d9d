"""Durations, as people type them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from writegate_console.gate.durations import time_after

NOW = datetime(2100, 1, 1, tzinfo=UTC)


def test_a_duration_ends_after_its_time_and_an_empty_one_never() -> None:
    assert time_after(NOW, "30m") == NOW + timedelta(minutes=30)
    assert time_after(NOW, "") is None


@pytest.mark.parametrize("wrong", ["soon", "0s", "3000000d", "99999999999d"])
def test_a_time_that_no_calendar_has_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"expected a number|is too long"):
        time_after(NOW, wrong)
