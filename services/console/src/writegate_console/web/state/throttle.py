"""How long to wait after failed log-ins: longer after each failure, by user and by address.

Not the library ``limits``: its windows know no growing wait, and its memory storage has no bound (see ADR 22).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from cachetools import TTLCache

FREE_FAILURES = 4  # of one user, or from one address, without a wait: people mistype
FIRST_WAIT_SECONDS = 1.0
MAX_WAIT_SECONDS = 300.0
FORGET_SECONDS = 3600.0
MAX_KEYS = 10_000  # anybody can try any name, so the number of names that are kept is bounded
_MAX_DOUBLINGS = 20


@dataclass(frozen=True, slots=True)
class _Failures:
    count: int
    wait_until: float


class LoginThrottle:
    """Counts failed log-ins. A key is a user or an address. For any thread: ``_lock`` guards the counts."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, max_keys: int = MAX_KEYS) -> None:
        self._clock = clock
        self._failures: TTLCache[str, _Failures] = TTLCache(max_keys, FORGET_SECONDS, clock)
        self._lock = threading.Lock()

    def wait_seconds(self, keys: Iterable[str]) -> float:
        """Return how long the next attempt has to wait, 0 when it may be made now."""
        now = self._clock()
        with self._lock:
            found = [failures for key in keys if (failures := self._failures.get(key)) is not None]
        return max([0.0, *(failures.wait_until - now for failures in found)])

    def failed(self, keys: Iterable[str]) -> None:
        """Count a failure of each key. A key without a failure for an hour starts again at one."""
        now = self._clock()
        with self._lock:
            for key in keys:
                before = self._failures.get(key)
                count = 1 if before is None else before.count + 1
                self._failures[key] = _Failures(count, now + _wait_after(count))

    def succeeded(self, keys: Iterable[str]) -> None:
        """Forget the failures of these keys."""
        with self._lock:
            for key in keys:
                self._failures.pop(key, None)

    def __len__(self) -> int:
        """Return for how many keys failures are kept."""
        with self._lock:
            return len(self._failures)


def _wait_after(failures: int) -> float:
    if failures <= FREE_FAILURES:
        return 0.0
    doublings = min(failures - FREE_FAILURES - 1, _MAX_DOUBLINGS)
    return min(MAX_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2.0**doublings)
