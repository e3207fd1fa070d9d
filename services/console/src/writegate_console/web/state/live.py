"""One look at the gate for all who have it open: made in a thread of its own, while somebody wants it.

So ten tabs ask the database as often as one does, and a server that does not answer keeps no page from being shown.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from writegate.errors import WritegateError
from writegate_console.gate.overview import Overview

EVERY_SECONDS = 1.5
FIRST_SECONDS = 4.0  # that the very first look may keep a page waiting
SILENT_SECONDS = 3.0  # a look that takes longer: somebody does not answer; it is told within five
_IDLE_SECONDS = 10.0  # nobody has asked for so long: nobody looks


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known now. ``overview`` may be old: it is ``age_seconds`` since it was true.

    ``database`` and ``broker`` say what is wrong with each, None when nothing is.
    """

    number: int
    overview: Overview | None
    age_seconds: float
    database: str | None
    broker: str | None


class Live:
    """Looks again and again. ``look`` may raise :class:`WritegateError`: the database is away."""

    def __init__(self, look: Callable[[], Overview], clock: Callable[[], float] = time.monotonic) -> None:
        self._look = look
        self._clock = clock
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._wanted_at = 0.0
        self._began_at: float | None = None  # of the look that is being made
        self._number = 0
        self._overview: Overview | None = None
        self._seen_at = 0.0
        self._problem: str | None = None
        self._closed = False

    def now(self) -> Seen:
        """Return what is known; at first, wait for it a little."""
        with self._changed:
            self._want()
            if self._overview is None or self._clock() - self._seen_at > _IDLE_SECONDS:
                number = self._number
                self._changed.wait_for(lambda: self._number != number or self._closed, FIRST_SECONDS)
            return self._seen()

    def newest(self) -> Seen:
        """Return what is known, and wait for nothing: for those who ask again and again."""
        with self._changed:
            self._want()
            return self._seen()

    @property
    def closed(self) -> bool:
        """Whether nobody will look any more."""
        return self._closed

    def close(self) -> None:
        """Look no more, and let go of whoever waits."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _want(self) -> None:
        self._wanted_at = self._clock()
        if self._thread is None and not self._closed:
            self._thread = threading.Thread(target=self._run, name="live", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while True:
            with self._changed:
                if self._closed or self._clock() - self._wanted_at > _IDLE_SECONDS:
                    self._thread = None
                    return
                self._began_at = self._clock()
            overview, problem = self._one()
            with self._changed:
                if overview is not None:
                    self._overview, self._seen_at = overview, self._clock()
                self._problem = problem
                self._began_at = None
                self._number += 1
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._closed, EVERY_SECONDS)

    def _one(self) -> tuple[Overview | None, str | None]:
        try:
            return self._look(), None
        except WritegateError as error:
            return None, str(error)
        except Exception as error:  # noqa: BLE001  a thread that ends of it would leave the page as it is, unmarked
            return None, f"cannot look: {type(error).__name__}: {error}"

    def _seen(self) -> Seen:
        now = self._clock()
        problem = self._problem
        if problem is None and self._began_at is not None and now - self._began_at > SILENT_SECONDS:
            problem = f"no answer for {now - self._began_at:.0f} s"
        age = now - self._seen_at if self._overview is not None else 0.0
        broker = self._overview.broker if self._overview is not None else None
        return Seen(self._number, self._overview, age, problem, broker)
