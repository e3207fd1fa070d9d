"""The real clock."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime


class SystemClock:
    """The machine's time and its random numbers. Every thread may use it."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def pause(self, seconds: float) -> None:
        time.sleep(seconds)

    def spread(self) -> float:
        return random.random()  # noqa: S311  spreading, not security
