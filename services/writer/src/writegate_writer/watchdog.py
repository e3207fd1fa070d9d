"""The watchdog: ends a process whose handler does not come back.

The database cancels statements that overrun; a handler that loops in Python nobody can cancel. The supervisor starts
the process again, the broker counts one more delivery, and in the end the command that does it is cornered.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence

import structlog

from writegate_writer.ports import Clock
from writegate_writer.slot import Slot

log = structlog.get_logger(__name__)

_TICK_SECONDS = 1.0
# More than one statement of a batch may take its full time, and bisection takes several batches a turn.
_TIMES = 10
EXIT_CODE = 70  # EX_SOFTWARE


class Watchdog(threading.Thread):
    """Looks at the slots of a process now and then."""

    def __init__(self, slots: Sequence[Slot], handler_seconds: float, clock: Clock) -> None:
        super().__init__(name="writegate-watchdog", daemon=True)
        self._slots = slots
        self._most_seconds = handler_seconds * _TIMES
        self._clock = clock
        self._ending = threading.Event()

    def run(self) -> None:
        while not self._ending.wait(_TICK_SECONDS):
            now = self._clock.monotonic()
            for slot in self._slots:
                since = slot.busy_since
                if since is not None and now - since > self._most_seconds:
                    log.critical("slot.overrun", slot=slot.name, seconds=round(now - since))
                    os._exit(EXIT_CODE)

    def stop(self) -> None:
        """Stop looking."""
        self._ending.set()
