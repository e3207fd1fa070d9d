"""The watchdog: ends a process whose handler does not return, and lets go of domains whose leases have run out.

The database cancels a statement that takes too long, but nothing can cancel a handler that loops or sleeps in Python.
The supervisor starts the process again, the broker counts one more delivery, and after some of them the command that
causes it is found and parked.
"""

from __future__ import annotations

import faulthandler
import os
import threading
import time
from collections.abc import Sequence
from typing import Any

import structlog

from writegate.config import Settings
from writegate_writer.schedule.ports import Clock
from writegate_writer.worker.control import Control
from writegate_writer.worker.slot import Slot

log = structlog.get_logger(__name__)

_TICK_SECONDS = 1.0
# Several statements of a batch may take their full time, and bisection takes several batches a turn.
_HANDLERS_A_TURN = 10
EXIT_CODE = 70  # EX_SOFTWARE


class Watchdog(threading.Thread):
    """Checks the slots of a process once a second."""

    def __init__(self, slots: Sequence[Slot], control: Control, settings: Settings, clock: Clock) -> None:
        super().__init__(name="writegate-watchdog", daemon=True)
        self._slots = slots
        self._control = control
        # The database ends a statement after the first time, and a session that is idle in its transaction after the
        # second: a handler that works uses its connection within the sum.
        self._silent_seconds = settings.handler_seconds + settings.lease_seconds
        self._turn_seconds = settings.handler_seconds * _HANDLERS_A_TURN
        self._clock = clock
        self._stopping = threading.Event()

    def run(self) -> None:
        while not self._stopping.is_set():
            # For code that lets no other Python thread run, such as a search with a regular expression: this timer is
            # outside Python, and ends the process unless it is set again in time.
            faulthandler.dump_traceback_later(self._silent_seconds, exit=True)
            for slot in self._slots:
                self._check(slot)
            self._control.let_go_if_expired()
            self._stopping.wait(_TICK_SECONDS)
        faulthandler.cancel_dump_traceback_later()

    def stop(self, deadline: float) -> None:
        """Stop checking."""
        self._stopping.set()
        self.join(max(0.0, deadline - time.monotonic()))

    def _check(self, slot: Slot) -> None:
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


def _end(event: str, **details: Any) -> None:
    log.critical(event, **details)
    faulthandler.dump_traceback()
    os._exit(EXIT_CODE)
