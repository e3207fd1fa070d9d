"""What happened, for people: a line an event."""

from __future__ import annotations

from typing import Any


class Violation(BaseException):
    """A guarantee does not hold. No handler of errors may stop it: not the writer's, which outlives every bug."""


class History:
    """The events of one run, in order. Lines are made only when somebody wants to read them."""

    def __init__(self) -> None:
        self._events: list[tuple[float, str, str, tuple[Any, ...]]] = []

    def add(self, time: float, actor: str, text: str, *parts: Any) -> None:
        """Note an event: ``text`` with its parts filled in, as ``str.format`` does."""
        self._events.append((time, actor, text, parts))

    def lines(self, last: int | None = None) -> list[str]:
        """Return the last events, or all."""
        events = self._events if last is None else self._events[-last:]
        return [f"{time:9.4f}  {actor:<18} {text.format(*parts)}" for time, actor, text, parts in events]
