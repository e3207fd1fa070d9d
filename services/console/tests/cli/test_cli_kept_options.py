"""The options of `writegate parked`, and texts that operations carry."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import typer

from writegate.contract.operations import MOST_AT_ONCE
from writegate_console.cli.kept.options import parse_time, selection_of
from writegate_console.cli.options import text_check


def test_times_are_typed_as_such_or_as_how_long_ago() -> None:
    now = datetime(2026, 1, 2, tzinfo=UTC)
    assert parse_time("2h", now) == now - timedelta(hours=2)
    assert parse_time("2026-01-01T00:00:00+00:00", now) == now - timedelta(days=1)
    assert parse_time(None, now) is None


@pytest.mark.parametrize("wrong", ["", "a" * 1001, "\udcff"])
def test_a_reason_is_a_text_of_some_length(wrong: str) -> None:
    with pytest.raises(typer.BadParameter, match="expected a text of 1 to 1000 characters"):
        text_check("a text", 1000, least=1)(wrong)


def test_more_numbers_than_an_action_takes_are_refused() -> None:
    with pytest.raises(typer.BadParameter, match="numbers"):
        selection_of(list(range(MOST_AT_ONCE + 1)), *[None] * 8)
