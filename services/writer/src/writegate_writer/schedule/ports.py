"""What a turn needs from outside, as protocols: implemented by threads and servers, or by a simulation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from writegate.backoff import backoff_seconds
from writegate.contract.service import Service
from writegate.message.envelope import Item
from writegate.message.topology import Route
from writegate_writer.decide.result import BatchResult
from writegate_writer.receive.delivery import Delivery
from writegate_writer.schedule.domain import Domain


@dataclass(frozen=True, slots=True)
class Served:
    """A service, and ``tables``: those that the handler of each task changes."""

    service: Service
    tables: Mapping[str, tuple[str, ...]]


class Consuming(Protocol):
    """What a turn asks of the hub thread. Any thread may call; calls return at once and are carried out in order."""

    def refresh(self, domain: Domain) -> None:
        """The domain has changed: consume its lanes if it is being served, on a channel of its present generation.

        A channel of an earlier one is closed, by which what is unacknowledged goes back to the broker in order.
        """

    def settle(self, domain: Domain, decided: Mapping[Delivery, int]) -> None:
        """Add the number of parts that were decided to each delivery. It is acknowledged when all of its parts are."""

    def report(self, done: BatchResult) -> None:
        """Send Celery's monitors the events of a batch."""


class Publishing(Protocol):
    """What a turn asks of the publisher. Any thread may call; calls do not wait for the broker."""

    def forward(
        self, addressed: Sequence[tuple[Route, Item]], headers: Mapping[str, Any], reply_to: str | None = None
    ) -> Future[None]:
        """Send items in order; the future is done when the broker has confirmed them."""

    def reply(self, reply_to: str, correlation_id: str, body: bytes) -> None:
        """Send a reply, without a confirm."""


class Clock(Protocol):
    """Time and random numbers, so that a simulation can provide them."""

    def now(self) -> datetime:
        """The date and time, with a time zone."""

    def monotonic(self) -> float:
        """Seconds that only ever grow."""

    def pause(self, seconds: float) -> None:
        """Wait for so many seconds."""

    def spread(self) -> float:
        """A random number from 0 to 1, by which many writers do not do the same thing at the same time."""


def backoff(clock: Clock, failures: int, *, longest: float) -> float:
    """Return for how many seconds to wait after so many failures in a row: longer each time, and random."""
    return backoff_seconds(failures, first=0.5, longest=longest, chance=clock.spread())
