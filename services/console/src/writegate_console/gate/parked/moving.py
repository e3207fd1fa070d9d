"""Replaying and dropping any number of parked commands, a page at a time."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from writegate.contract.operations import MOST_AT_ONCE, OnParked

PAGES_A_SECOND = 4  # with a rate: often enough to be even, seldom enough for the audit

Operate = Callable[[OnParked], dict[str, Any]]
Make = Callable[[int, int], OnParked]


@dataclass(slots=True)
class Moved:
    """What was done until now. ``skipped``: how many stayed where they are, by the reason."""

    done: int = 0
    skipped: Counter[str] = field(default_factory=Counter)

    @property
    def seen(self) -> int:
        """Commands that were looked at."""
        return self.done + self.skipped.total()


def move(  # noqa: PLR0913, PLR0917  what to do, how fast, and the clock
    operate: Operate,
    make: Make,
    limit: int,
    rate: float | None,
    tell: Callable[[Moved], None],
    now: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> Moved:
    """Act on at most ``limit`` commands, at most ``rate`` a second. ``make``: the action on so many after a number.

    Each page is a transaction of its own: whoever stops this and begins again does nothing twice.
    """
    most = MOST_AT_ONCE if rate is None else min(MOST_AT_ONCE, max(1, math.ceil(rate / PAGES_A_SECOND)))
    moved, last, began = Moved(), 0, now()
    while moved.seen < limit:
        size = min(most, limit - moved.seen)
        result = operate(make(last, size))
        if "last" not in result:
            # A writer did it and died before it could tell: the page is gone from here, and was most likely full.
            moved.done += size
            continue
        if result["last"] == last:
            break  # others were faster
        last = result["last"]
        moved.done += result["done"]
        moved.skipped.update(result["skipped"])
        tell(moved)
        if rate is not None:
            pause(max(0.0, began + moved.seen / rate - now()))
    return moved
