"""Filters of parked commands, as the query of a page has them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from writegate_console.web.views.filters import filters_in_query, filters_of, movable_selection


def test_filters_are_read_from_a_query_and_become_one_again() -> None:
    found = filters_of(
        "parked", {"service": ["flights"], "since": ["2026-01-31 14:00"], "number": ["3", "4"], "key": [" "]}
    )
    assert found.problem is None
    assert (found.selection.service, found.selection.key, found.selection.numbers) == ("flights", None, (3, 4))
    assert found.selection.since == datetime(2026, 1, 31, 14, tzinfo=UTC)
    assert found.query == "service=flights&since=2026-01-31+14%3A00&number=3&number=4"


@pytest.mark.parametrize(
    "wrong", [{"since": ["noon"]}, {"number": ["x"]}, {"state": ["gone"]}, {"number": ["1"] * 1001}]
)
def test_filters_that_cannot_be_read_select_nothing(wrong: dict[str, list[str]]) -> None:
    found = filters_of("parked", wrong)
    assert found.problem
    assert found.selection.numbers == ()
    with pytest.raises(ValueError, match=r"\S"):
        movable_selection(found)


@pytest.mark.parametrize("query", ["number=", "cause=rejected&number=", "number=x"])
def test_none_chosen_is_not_all(query: str) -> None:
    # What the page of a list sends when no box is ticked, and as it is passed on from there.
    for sent in (query, filters_in_query("parked", query).query):
        assert filters_in_query("parked", sent).selection.numbers == (), sent


def test_only_parked_ones_are_moved() -> None:
    with pytest.raises(ValueError, match="only parked commands"):
        movable_selection(filters_of("parked", {"state": ["dropped"]}))
