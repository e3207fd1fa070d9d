"""The types of what was received: a delivery, and the parts that are in it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from writegate.contract.command import Command
from writegate.message.envelope import Item
from writegate.message.receipt import Cause
from writegate.message.topology import Route


@dataclass(slots=True, eq=False)
class Delivery:
    """One message as the broker delivered it. ``open`` counts its parts that are undecided: at 0 it is acknowledged."""

    service: str
    lane: int
    tag: int
    generation: int  # of the channel it came on: its tag means nothing on another
    body: bytes
    headers: Mapping[str, Any]
    properties: Mapping[str, Any]
    open: int = 0
    origin: str | None = None
    reply_to: str | None = None
    parts: list[Part] | None = None  # when it was read ahead, until it is taken
    held_bytes: int = 0  # of memory, while it is held
    dead: bool = False  # the broker gave up delivering it

    @property
    def delivery_count(self) -> int:
        """How often the broker delivered it before, as a quorum queue counts.

        The first time there is no count yet, and a publisher's own header would stand there, such as one below zero.
        """
        count = self.headers.get("x-delivery-count", 0)
        # The first time the broker sends none, and the header is the publisher's, who may have put anything there.
        return max(count, 0) if isinstance(count, int) else 0


@dataclass(frozen=True, slots=True)
class NotYet:
    """Why this writer cannot read a command, which another one will. ``broken``: people must see to that."""

    reason: str
    broken: bool = False


@dataclass(slots=True, eq=False)  # not frozen: one is made a command, in a third of the time
class Arrived:
    """A command that may be applied, or one that has to wait for another writer."""

    delivery: Delivery
    item: Item
    ledger_id: str
    hash: int
    command: Command | NotYet


@dataclass(frozen=True, slots=True, eq=False)
class Refused:
    """What came and cannot be a command of this lane: it is parked.

    ``ledger_id`` is None when its id cannot be trusted.
    """

    delivery: Delivery
    id: str
    hash: int
    cause: Cause
    item: Item | None
    raw: bytes
    ledger_id: str | None = None
    parks_key: bool = False  # later commands of its key wait until people have decided about it
    arrived: Arrived | None = None  # what it was before something was found wrong with it


@dataclass(frozen=True, slots=True, eq=False)
class Misrouted:
    """A command of this service that belongs in another lane: it is forwarded."""

    delivery: Delivery
    item: Item
    route: Route


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """Somebody asks what became of a command."""

    delivery: Delivery
    message_id: str
    command_id: str


Part = Arrived | Refused | Misrouted | Question


@dataclass(slots=True)
class Reading:
    """The parts of some deliveries of one service, by what is to be done with them, in arrival order."""

    arrived: list[Arrived] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    misrouted: list[Misrouted] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)
    suspicious: bool = False  # delivered so often that something in it may end the process
    rejected: dict[str, Cause] = field(default_factory=dict)  # what is not to be applied, by ledger id

    def add(self, part: Part) -> None:
        """Sort a part in."""
        match part:
            case Arrived():
                self.arrived.append(part)
            case Refused():
                self.refused.append(part)
            case Misrouted():
                self.misrouted.append(part)
            case Question():
                self.questions.append(part)
