"""How many messages wait in this process, by service. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from writegate.contract.ids import millis_of
from writegate_writer.receive.delivery import Delivery
from writegate_writer.schedule.domain import Domain


@dataclass(slots=True)
class Backlog:
    """How many messages wait for a turn, and the age of the oldest in seconds, if its id carries a time; else 0.

    A lane is a queue, in order: no message that is still at the broker is older than the first one here.
    """

    messages: int = 0
    oldest_seconds: float = 0.0


def backlogs(domains: Iterable[Domain], now_millis: int) -> dict[str, Backlog]:
    """Return how much waits in these domains, by service."""
    found: dict[str, Backlog] = {}
    for domain in domains:
        for service, messages, first in domain.inboxes():
            backlog = found.setdefault(service, Backlog())
            backlog.messages += messages
            if first is not None:
                backlog.oldest_seconds = max(backlog.oldest_seconds, _age_seconds(first, now_millis))
    return found


def _age_seconds(delivery: Delivery, now_millis: int) -> float:
    id_ = delivery.headers.get("id")
    made = millis_of(id_) if isinstance(id_, str) else None
    return (now_millis - made) / 1000 if made is not None else 0.0
