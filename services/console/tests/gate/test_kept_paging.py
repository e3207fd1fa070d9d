"""How fast parked commands are moved, and what happens when a writer dies before it sends its result."""

from __future__ import annotations

from typing import Any

import pytest

from writegate.contract.operations import MOST_AT_ONCE, OnKept, Replay, Selection
from writegate_console.gate.kept.paging import MoveProgress, move


class ParkedTable:
    """So many parked commands; those of ``blocked`` cannot be moved. Time passes only while somebody pauses.

    ``pages``: when each page was sent, and how many commands it had. The writer's result of the pages in ``lost`` (by
    position) does not arrive.
    """

    def __init__(self, count: int, blocked: frozenset[int] = frozenset(), lost: frozenset[int] = frozenset()) -> None:
        self.left = list(range(1, count + 1))
        self.blocked = blocked
        self.lost = lost
        self.pages: list[tuple[float, int]] = []
        self.reports: list[int] = []
        self.seconds = 0.0

    def send_page(self, operation: OnKept) -> dict[str, Any]:
        page = [number for number in self.left if number > operation.after][: operation.limit]
        skipped = [number for number in page if number in self.blocked]
        self.left = [number for number in self.left if number not in page or number in skipped]
        self.pages.append((self.seconds, len(page)))
        if len(self.pages) - 1 in self.lost:
            return {}
        reasons = {"blocked": len(skipped)} if skipped else {}
        last = page[-1] if page else operation.after
        return {"done": len(page) - len(skipped), "last": last, "skipped": reasons}

    def move(self, limit: int, rate: float | None = None) -> MoveProgress:
        def report(progress: MoveProgress) -> None:
            self.reports.append(progress.seen)

        return move(self.send_page, make_page, limit, rate, report, lambda: self.seconds, self.pause)

    def pause(self, seconds: float) -> None:
        self.seconds += seconds


def make_page(after: int, size: int) -> OnKept:
    return Replay(selection=Selection(), after=after, limit=size, by="me", reason="x")


def test_without_a_rate_pages_are_as_large_as_possible() -> None:
    parked = ParkedTable(2500)
    assert parked.move(2500).done == 2500
    assert parked.pages == [(0.0, MOST_AT_ONCE), (0.0, MOST_AT_ONCE), (0.0, 500)]


def test_a_rate_is_kept_and_no_more_than_the_limit_is_moved() -> None:
    parked = ParkedTable(10_000, blocked=frozenset(range(1, 100)))
    moved = parked.move(1000, rate=500)
    assert (moved.done, moved.skipped, moved.seen) == (901, {"blocked": 99}, 1000)
    assert parked.pages == [(number / 4, 125) for number in range(8)]
    assert parked.seconds == 2.0


def test_it_ends_when_there_is_no_more() -> None:
    parked = ParkedTable(10)
    assert parked.move(1000).done == 10
    assert parked.pages == [(0.0, 10), (0.0, 0)]


def test_a_page_whose_result_is_lost_is_not_moved_twice_and_ends_nothing() -> None:
    parked = ParkedTable(2500, lost=frozenset({1}))
    assert parked.move(2500).done == 2500
    assert parked.left == []


@pytest.mark.parametrize("lost", [{0}, {1, 2}, set(range(8))], ids=str)
def test_a_page_whose_result_is_lost_is_paced_and_reported_like_any_other(lost: set[int]) -> None:
    parked = ParkedTable(1000, lost=frozenset(lost))
    assert parked.move(1000, rate=500).done == 1000
    assert parked.pages == [(number / 4, 125) for number in range(8)]
    assert parked.reports == [125 * number for number in range(1, 9)]
