"""Questions for receipts: they wait here until writes are done, and are answered many at once, within a budget. Pure.

A question costs a look-up in every day of the ledger and a reply, and nothing forbids to ask thousands of times. Its
message is acknowledged when it is put here: whoever gets no answer asks again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from writegate_writer.receive.delivery import Question

# Of one service in one domain: how many are answered in a second, how many at once, and how many may wait. What comes
# beyond that is dropped.
A_SECOND: Final = 500.0
AT_ONCE: Final = 100
_MOST_WAITING: Final = 2000


@dataclass(frozen=True, slots=True)
class Asked:
    """What is kept of a question: about which command, and where the answer goes."""

    command_id: str
    message_id: str
    reply_to: str


@dataclass(slots=True)
class _Waiting:
    asked: deque[Asked] = field(default_factory=deque)
    allowed: float = A_SECOND  # so many may be answered now
    since: float = 0.0  # of the clock's monotonic time


class Questions:
    """The questions that wait in a domain. Only the slot thread that takes the domain's turn touches it."""

    def __init__(self) -> None:
        self._waiting: dict[str, _Waiting] = {}

    def __bool__(self) -> bool:
        return any(waiting.asked for waiting in self._waiting.values())

    def add(self, service: str, questions: Iterable[Question]) -> int:
        """Add questions of a service that can be answered; return how many were dropped."""
        waiting = self._waiting.setdefault(service, _Waiting())
        dropped = 0
        for question in questions:
            reply_to = question.delivery.verified.reply_to
            if reply_to is None:
                continue
            if len(waiting.asked) >= _MOST_WAITING:
                dropped += 1
            else:
                waiting.asked.append(Asked(question.command_id, question.message_id, reply_to))
        return dropped

    def take(self, now: float) -> dict[str, list[Asked]]:
        """Take what may be answered now, by service. ``now``: the clock's monotonic time in seconds."""
        taken: dict[str, list[Asked]] = {}
        for service, waiting in self._waiting.items():
            waiting.allowed = min(A_SECOND, waiting.allowed + (now - waiting.since) * A_SECOND)
            waiting.since = now
            count = min(len(waiting.asked), AT_ONCE, int(waiting.allowed))
            if count:
                waiting.allowed -= count
                taken[service] = [waiting.asked.popleft() for _ in range(count)]
        return taken
