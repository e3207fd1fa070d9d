"""The limit on how many commands may wait in a publisher's memory."""

from __future__ import annotations

import threading


class CapacityLimiter:
    """Counts the commands that wait for the broker, up to ``limit``. Any thread may call any method."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._used = 0
        self._changed = threading.Condition()

    def take(self, count: int, timeout: float) -> bool:
        """Reserve capacity for ``count`` commands; return whether there was enough within ``timeout`` seconds.

        More than the limit at once is allowed when nothing else waits: those commands are in memory already.
        """
        with self._changed:
            fits = self._changed.wait_for(lambda: self._used == 0 or self._used + count <= self._limit, timeout)
            if fits:
                self._used += count
            return fits

    def give_back(self, count: int) -> None:
        """Release capacity that :meth:`take` reserved."""
        with self._changed:
            self._used -= count
            self._changed.notify_all()

    def wait_empty(self, timeout: float) -> bool:
        """Block until no command waits; return whether that happened within ``timeout`` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: self._used == 0, timeout)
