"""How long whoever guesses passwords has to wait: longer after each failure, by user and by address."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

FREE = 4  # failures of one user, or from one address, that cost nothing: people mistype
FIRST_SECONDS = 1.0
LONGEST_SECONDS = 300.0
FORGET_SECONDS = 3600.0
MOST = 10_000  # users and addresses that are remembered


@dataclass(slots=True)
class _Failures:
    count: int
    last_at: float
    until: float


class Throttle:
    """Counts failures. A key is a user or an address; the names are anybody's, so their number is bounded."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: OrderedDict[str, _Failures] = OrderedDict()
        self._lock = threading.Lock()

    def wait_seconds(self, keys: Iterable[str]) -> float:
        """Return how long the next attempt has to wait, 0 when it may be made now."""
        now = self._clock()
        with self._lock:
            return max([0.0, *(one.until - now for key in keys if (one := self._failures.get(key)))])

    def failed(self, keys: Iterable[str]) -> None:
        """Count a failure."""
        now = self._clock()
        with self._lock:
            for key in keys:
                one = self._failures.pop(key, None)
                if one is None or now - one.last_at > FORGET_SECONDS:
                    one = _Failures(0, now, now)
                one.count += 1
                one.last_at = now
                if one.count > FREE:
                    one.until = now + min(LONGEST_SECONDS, FIRST_SECONDS * 2.0 ** min(one.count - FREE - 1, 20))
                self._failures[key] = one
            while len(self._failures) > MOST:
                self._failures.popitem(last=False)

    def succeeded(self, keys: Iterable[str]) -> None:
        """Forget the failures of whoever got in."""
        with self._lock:
            for key in keys:
                self._failures.pop(key, None)
