"""The watchdog: ends a process whose handler does not come back, and sees to it that nothing is held for long.

The database cancels a statement that overruns; a handler that loops or sleeps in Python nobody can cancel. The
supervisor starts the process again, the broker counts one more delivery, and in the end the command that does it is
cornered.
"""

from __future__ import annotations

import faulthandler
import os
import threading
from collections.abc import Sequence
from typing import Any

import structlog

from writegate.config import Settings
from writegate_writer.schedule.ports import Clock
from writegate_writer.worker.control import Control
from writegate_writer.worker.slot import Slot

log = structlog.get_logger(__name__)

_TICK_SECONDS = 1.0
# More than one statement of a batch may take its full time, and bisection takes several batches a turn.
_TIMES = 10
EXIT_CODE = 70  # EX_SOFTWARE


class Watchdog(threading.Thread):
    """Looks at the slots of a process now and then."""

    def __init__(self, slots: Sequence[Slot], control: Control, settings: Settings, clock: Clock) -> None:
        super().__init__(name="writegate-watchdog", daemon=True)
        self._slots = slots
        self._control = control
        # The database ends a statement after the one, and a session that is idle in its transaction after the other:
        # of a handler that is well something is heard in this time.
        self._silent_seconds = settings.handler_seconds + settings.lease_seconds
        self._turn_seconds = settings.handler_seconds * _TIMES
        self._clock = clock
        self._ending = threading.Event()

    def run(self) -> None:
        while not self._ending.is_set():
            # For code that lets no other thread run, this one included: a search with a regular expression, say.
            faulthandler.dump_traceback_later(self._silent_seconds, exit=True)
            for slot in self._slots:
                self._look(slot)
            self._control.look()
            self._ending.wait(_TICK_SECONDS)
        faulthandler.cancel_dump_traceback_later()

    def stop(self) -> None:
        """Stop looking."""
        self._ending.set()

    def _look(self, slot: Slot) -> None:
        now, turn, call = self._clock.monotonic(), slot.turn, slot.call
        if call is not None and now - call.seen_at > self._silent_seconds:
            _end(
                "handler.overrun",
                domain=turn and turn.domain,
                task=call.task,
                commands=call.commands,
                first=call.first_id,
                silent_seconds=round(now - call.seen_at),
            )
        if turn is not None and now - turn.since > self._turn_seconds:
            _end("turn.overrun", domain=turn.domain, task=call and call.task, seconds=round(now - turn.since))


def _end(event: str, **figures: Any) -> None:
    log.critical(event, **figures)
    faulthandler.dump_traceback()
    os._exit(EXIT_CODE)
