"""How long to wait after failed log-ins: longer after each failure, by user and network, and by network.

A user is known by the network as well: somebody who guesses elsewhere keeps nobody out. How many guesses all networks
have together is bounded by the checking of passwords (:mod:`~writegate_console.web.state.passwords`).

Not the library ``limits``: its windows know no growing wait, and its memory storage has no bound (see ADR 22).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from cachetools import TTLCache

FREE_FAILURES = 4  # of one user from one network without a wait: people mistype
FREE_FAILURES_OF_NETWORK = 20  # of all users from there: an office has one address
FIRST_WAIT_SECONDS = 1.0
MAX_WAIT_SECONDS = 300.0
FORGET_SECONDS = 3600.0
MAX_KEYS = 10_000  # anybody can try any name, so the number of names that are kept is bounded
_MAX_NAME_CHARACTERS = 200
_MAX_DOUBLINGS = 20


@dataclass(frozen=True, slots=True)
class _Failures:
    count: int
    wait_until: float


class LoginThrottle:
    """Counts failed log-ins. ``network``: an address, or the network it is in. Any thread: ``_lock`` guards counts."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, max_keys: int = MAX_KEYS) -> None:
        self._clock = clock
        self._failures: TTLCache[str, _Failures] = TTLCache(max_keys, FORGET_SECONDS, clock)
        self._lock = threading.Lock()

    def wait_seconds(self, name: str, network: str) -> float:
        """Return how long the next attempt has to wait, 0 when it may be made now."""
        now = self._clock()
        with self._lock:
            found = [failures for key in _keys(name, network) if (failures := self._failures.get(key)) is not None]
        return max([0.0, *(failures.wait_until - now for failures in found)])

    def failed(self, name: str, network: str) -> None:
        """Count a failure. Without one for an hour it starts again at one."""
        now = self._clock()
        with self._lock:
            for key, free in _keys(name, network).items():
                before = self._failures.get(key)
                count = 1 if before is None else before.count + 1
                self._failures[key] = _Failures(count, now + _wait_after(count - free))

    def succeeded(self, name: str, network: str) -> None:
        """Forget the failures of this user there, and of that network."""
        with self._lock:
            for key in _keys(name, network):
                self._failures.pop(key, None)

    def __len__(self) -> int:
        """Return for how many users and networks failures are kept."""
        with self._lock:
            return len(self._failures)


def _keys(name: str, network: str) -> dict[str, int]:
    """Return what failures are counted by, with how many of them are free."""
    return {
        f"user {name[:_MAX_NAME_CHARACTERS]} {network}": FREE_FAILURES,
        f"network {network}": FREE_FAILURES_OF_NETWORK,
    }


def _wait_after(failures: int) -> float:
    if failures <= 0:
        return 0.0
    return min(MAX_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2.0 ** min(failures - 1, _MAX_DOUBLINGS))
