"""AcceptedBy much may wait in this process: bounded memory for a publisher."""

from __future__ import annotations

import threading


class CapacityLimiter:
    """Counts what waits, up to ``limit``. Thread-safe."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._used = 0
        self._changed = threading.Condition()

    def take(self, count: int, timeout: float) -> bool:
        """Take room for ``count``, waiting up to ``timeout`` seconds; return whether there was room.

        More than the limit at once is let in when nothing else waits: it is in the caller's memory already.
        """
        with self._changed:
            fits = self._changed.wait_for(lambda: self._used == 0 or self._used + count <= self._limit, timeout)
            if fits:
                self._used += count
            return fits

    def give_back(self, count: int) -> None:
        """Return room."""
        with self._changed:
            self._used -= count
            self._changed.notify_all()

    def wait_empty(self, timeout: float) -> bool:
        """Wait until nothing waits any more."""
        with self._changed:
            return self._changed.wait_for(lambda: self._used == 0, timeout)
