"""What waits in this process, by service. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from writegate.contract.ids import millis_of
from writegate_writer.receive.delivery import Delivery
from writegate_writer.schedule.domain import Domain


@dataclass(slots=True)
class Backlog:
    """Messages that wait for their turn, and for how many seconds the oldest has, if its id tells.

    A lane is a queue, in order: nothing that still waits at the broker is older than the first one here.
    """

    messages: int = 0
    oldest_seconds: float = 0.0


def backlogs(domains: Iterable[Domain], now_millis: int) -> dict[str, Backlog]:
    """Return what waits in these domains."""
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
