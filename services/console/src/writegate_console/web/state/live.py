"""The newest overview, for all open pages: one thread reads it again and again while somebody has a page open.

So ten tabs query the database as often as one, and a server that does not answer keeps no page waiting.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from writegate.errors import WritegateError
from writegate_console.gate.overview.queries import Overview

EVERY_SECONDS = 1.5
FIRST_WAIT_SECONDS = 4.0  # how long a page may wait for the first overview
SILENT_SECONDS = 3.0  # a reading that takes longer means that a server does not answer; pages show it within five
_IDLE_SECONDS = 10.0  # after so long without a request the thread ends


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is known now. ``overview`` may be old: it was read ``age_seconds`` ago. ``number``: of the reading.

    ``database`` and ``broker`` say what is wrong with each, None when nothing is.
    """

    number: int
    overview: Overview | None
    age_seconds: float
    database: str | None
    broker: str | None


class LiveOverview:
    """Reads the overview while it is asked for. ``read`` raises :class:`WritegateError` without an answer.

    Requests call :meth:`current` and :meth:`latest`; the thread, which the first request starts, runs :meth:`_run`.
    The condition ``_changed`` guards every field; ``read`` is called without it.
    """

    def __init__(self, read: Callable[[], Overview], clock: Callable[[], float] = time.monotonic) -> None:
        self._read = read
        self._clock = clock
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._wanted_at = 0.0
        self._began_at: float | None = None  # of the reading that is under way
        self._number = 0
        self._overview: Overview | None = None
        self._read_at = 0.0
        self._problem: str | None = None
        self._closed = False

    def current(self) -> Snapshot:
        """Return what is known; wait up to :data:`FIRST_WAIT_SECONDS` when there is nothing recent."""
        with self._changed:
            self._want()
            if self._overview is None or self._clock() - self._read_at > _IDLE_SECONDS:
                number = self._number
                self._changed.wait_for(lambda: self._number != number or self._closed, FIRST_WAIT_SECONDS)
            return self._snapshot()

    def latest(self) -> Snapshot:
        """Return what is known without waiting: for callers that ask again and again."""
        with self._changed:
            self._want()
            return self._snapshot()

    @property
    def closed(self) -> bool:
        """Whether :meth:`close` was called: nothing is read any more."""
        return self._closed

    @property
    def idle(self) -> bool:
        """Whether no thread is reading."""
        with self._changed:
            return self._thread is None

    def close(self) -> None:
        """Stop reading, and wake all that wait."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _want(self) -> None:
        self._wanted_at = self._clock()
        if self._thread is None and not self._closed:
            self._thread = threading.Thread(target=self._run, name="live overview", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while True:
            with self._changed:
                if self._closed or self._clock() - self._wanted_at > _IDLE_SECONDS:
                    self._thread = None
                    return
                self._began_at = self._clock()
            overview, problem = self._try_to_read()
            with self._changed:
                if overview is not None:
                    self._overview, self._read_at = overview, self._clock()
                self._problem = problem
                self._began_at = None
                self._number += 1
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._closed, EVERY_SECONDS)

    def _try_to_read(self) -> tuple[Overview | None, str | None]:
        try:
            return self._read(), None
        except WritegateError as error:
            return None, str(error)
        except Exception as error:  # noqa: BLE001  if the thread ended, pages would show old data without saying so
            return None, f"the overview cannot be read: {type(error).__name__}: {error}"

    def _snapshot(self) -> Snapshot:
        now = self._clock()
        problem = self._problem
        if problem is None and self._began_at is not None and now - self._began_at > SILENT_SECONDS:
            problem = f"no answer for {now - self._began_at:.0f} s"
        age = now - self._read_at if self._overview is not None else 0.0
        broker = self._overview.broker if self._overview is not None else None
        return Snapshot(self._number, self._overview, age, problem, broker)
