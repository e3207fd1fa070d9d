"""The time limits of publish calls, rounded up to ticks, so that an ended call is removed at once and cheaply."""

from __future__ import annotations

from writegate.publishing.pipeline import Call


class CallDeadlines:
    """The calls that have not ended, by the time at which they are due. Used on the publisher's I/O thread only."""

    def __init__(self, tick_seconds: float) -> None:
        self._tick_seconds = tick_seconds
        self._ticks: dict[int, dict[Call, None]] = {}  # those of a tick in the order in which they were added

    def __bool__(self) -> bool:
        """Whether there is a call that has not ended."""
        return any(self._ticks.values())

    def add(self, call: Call, at: float) -> None:
        """Add a call that is due at the clock's time ``at``, or up to one tick later."""
        call.due_with = self._ticks.setdefault(int(at / self._tick_seconds) + 1, {})
        call.due_with[call] = None

    def due(self, now: float) -> list[Call]:
        """Remove and return the calls that are due, in the order of their ticks and in which they were added."""
        passed = [tick for tick in self._ticks if tick * self._tick_seconds <= now]
        return [call for tick in sorted(passed) for call in self._ticks.pop(tick)]
