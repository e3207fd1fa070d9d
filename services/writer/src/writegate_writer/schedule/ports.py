"""What a turn needs of the world, as protocols: threads and servers stand behind them, and so can a simulation."""

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
    """A service as a turn knows it, and the tables that the handler of each task changes."""

    service: Service
    tables: Mapping[str, tuple[str, ...]]


class Consuming(Protocol):
    """What a turn asks of the hub thread; every call returns at once and is carried out in order."""

    def refresh(self, domain: Domain) -> None:
        """The domain has changed: consume its lanes if it is being served, on a channel of its present generation.

        A channel of an earlier one is closed, by which what is unacknowledged goes back to the broker in order.
        """

    def settle(self, domain: Domain, decided: Mapping[Delivery, int]) -> None:
        """So many more parts of each delivery are decided; with the last one it is acknowledged."""

    def report(self, done: BatchResult) -> None:
        """Tell Celery's monitors."""


class Publishing(Protocol):
    """What a turn asks of the publisher."""

    def forward(
        self, addressed: Sequence[tuple[Route, Item]], headers: Mapping[str, Any], reply_to: str | None = None
    ) -> Future[None]:
        """Send items in order; done when the broker has confirmed them."""

    def reply(self, reply_to: str, correlation_id: str, body: bytes) -> None:
        """Send a reply, unconfirmed."""


class Clock(Protocol):
    """Time and chance, handed in."""

    def now(self) -> datetime:
        """The time of day, with its zone."""

    def monotonic(self) -> float:
        """Seconds that only ever grow."""

    def pause(self, seconds: float) -> None:
        """Wait."""

    def spread(self) -> float:
        """A number from 0 to 1, so that what happens to many does not happen at once."""


def backoff(clock: Clock, failures: int, *, longest: float) -> float:
    """Return for how many seconds to wait after so many failures in a row: longer each time, and spread."""
    return backoff_seconds(failures, first=0.5, longest=longest, chance=clock.spread())
