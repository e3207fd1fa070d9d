"""The types of what was received: a delivery, and the parts that are in it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from writegate.contract.command import Command
from writegate.message.envelope import Item
from writegate.message.receipt import Cause
from writegate.message.topology import Route
from writegate_writer.receive.verified import Verified

NOTHING_VERIFIED = Verified()


@dataclass(slots=True, eq=False)
class Delivery:
    """One message as the broker delivered it.

    It is acknowledged when ``undecided_parts`` is 0. The thread that takes it sets that number, before anything is
    decided; afterwards only the hub thread changes it. ``parts`` is set by a reader thread or a slot thread, never by
    both at once.
    """

    service: str
    lane: int
    tag: int
    generation: int  # of the channel it came on: its tag means nothing on another
    body: bytes
    headers: Mapping[str, Any]
    properties: Mapping[str, Any]
    undecided_parts: int = 0
    verified: Verified = NOTHING_VERIFIED
    parts: list[Part] | None = None  # when it was read before its batch was taken
    held_bytes: int = 0  # of memory, until it is acknowledged
    dead: bool = False  # the broker gave up delivering it


@dataclass(frozen=True, slots=True)
class NotYet:
    """Why this writer cannot read a command that others may read.

    ``broken``: people must correct its contract. ``newer``: it is of a version that this writer does not know.
    """

    reason: str
    broken: bool = False
    newer: bool = False


@dataclass(slots=True, eq=False)  # not frozen: a third of the time to make one, and each command needs one
class Arrived:
    """A command that may be applied, or one that has to wait for another writer."""

    delivery: Delivery
    item: Item
    ledger_id: str
    hash: int
    command: Command | NotYet

    @property
    def newer(self) -> bool:
        """Whether it waits for a writer that knows its version."""
        return isinstance(self.command, NotYet) and self.command.newer


@dataclass(frozen=True, slots=True, eq=False)
class Refused:
    """A part that cannot be applied: it is parked.

    ``ledger_id`` is None when its id cannot be trusted. ``dropped``: people have given it up for good.
    """

    delivery: Delivery
    id: str
    hash: int
    cause: Cause
    item: Item | None
    raw: bytes
    ledger_id: str | None = None
    parks_key: bool = False  # later commands of its key wait until people have decided about it
    arrived: Arrived | None = None  # the command that it was, when it was found at fault later
    dropped: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Misrouted:
    """A command of this service that belongs in another lane: it is forwarded."""

    delivery: Delivery
    item: Item
    route: Route


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """A question for the receipt of a command."""

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
    suspicious: bool = False  # delivered so often that a command in it may be what ends the process
    rejected: dict[str, Cause] = field(default_factory=dict)  # what is not to be applied, by ledger id

    def add(self, part: Part) -> None:
        """Add a part to the list of its type."""
        match part:
            case Arrived():
                self.arrived.append(part)
            case Refused():
                self.refused.append(part)
            case Misrouted():
                self.misrouted.append(part)
            case Question():
                self.questions.append(part)
