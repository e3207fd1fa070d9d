"""When to look at which call: kept by moments a tick apart, so that calls which have ended are kept no longer."""

from __future__ import annotations

from writegate.publishing.pipeline import Call


class Deadlines:
    """Calls, by the time of the clock at which something has to be done about them, if they have not ended."""

    def __init__(self, tick_seconds: float) -> None:
        self._tick_seconds = tick_seconds
        self._moments: dict[int, set[Call]] = {}

    def __bool__(self) -> bool:
        """Whether some call has not ended."""
        return any(self._moments.values())

    def add(self, call: Call, at: float) -> None:
        """Watch a call until then; at most a tick later it is due."""
        call.due_with = self._moments.setdefault(int(at / self._tick_seconds) + 1, set())
        call.due_with.add(call)

    def due(self, now: float) -> list[Call]:
        """Take out the calls whose time has come, in no particular order."""
        passed = [moment for moment in self._moments if moment * self._tick_seconds <= now]
        return [call for moment in sorted(passed) for call in self._moments.pop(moment)]
