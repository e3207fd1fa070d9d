"""Replaying, parking and dropping any number of kept commands, a page at a time."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from writegate.contract.operations import MOST_AT_ONCE, OnKept

PAGES_A_SECOND = 4  # with a rate: often enough to be even, seldom enough for the audit

SendPage = Callable[[OnKept], dict[str, Any]]
"""Has one page carried out and returns the writer's result."""
MakePage = Callable[[int, int], OnKept]
"""Returns the operation on so many commands (second) with numbers above one (first)."""


@dataclass(slots=True)
class MoveProgress:
    """What was done until now. ``skipped``: how many stayed where they are, by the reason."""

    done: int = 0
    skipped: Counter[str] = field(default_factory=Counter)

    @property
    def seen(self) -> int:
        """Commands that were moved or skipped."""
        return self.done + self.skipped.total()


def move(  # noqa: PLR0913, PLR0917  what to do, how fast, and the clock
    send_page: SendPage,
    make_page: MakePage,
    limit: int,
    rate: float | None,
    report: Callable[[MoveProgress], None],
    now: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> MoveProgress:
    """Move at most ``limit`` commands, at most ``rate`` a second. ``report`` is called after each page.

    Each page is a transaction of its own: after an interruption the same call moves nothing twice.
    """
    page_limit = MOST_AT_ONCE if rate is None else min(MOST_AT_ONCE, max(1, math.ceil(rate / PAGES_A_SECOND)))
    progress, last, began = MoveProgress(), 0, now()
    while progress.seen < limit:
        size = min(page_limit, limit - progress.seen)
        result = send_page(make_page(last, size))
        if "last" not in result:
            # A writer applied the page and died before it sent the result. Its commands are decided about, so the next
            # page begins after the same number; the page was most likely full. (Deferred commands that are to be tried
            # stay where they are, but a writer that tries one tries all of its domain.)
            progress.done += size
        elif result["last"] == last:
            break  # nothing is left: others moved the rest
        else:
            last = result["last"]
            progress.done += result["done"]
            progress.skipped.update(result["skipped"])
        report(progress)
        if rate is not None:
            pause(max(0.0, began + progress.seen / rate - now()))
    return progress
