"""Reading a delivery: what is in it, and what may be done with each part. Pure, and trusting nothing."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import ValidationError
from pydantic_core import from_json, to_json

from writegate.contract.command import Command, Contract, contract_of, identify, key_of
from writegate.contract.ids import ledger_id, millis_of
from writegate.contract.lanes import lane_of
from writegate.contract.service import Service
from writegate.errors import MalformedMessage, first_wrong_field
from writegate.message.envelope import LOOKUP_TASK, MANY_TASK, Item, decode, reply_to_of
from writegate.message.receipt import Cause
from writegate.message.topology import Route, route_of
from writegate.message.validation import MAX_ID_BYTES, is_id, is_key

# In JSON as the decoder writes it; a backslash before it would make it the text of an escape.
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


# What code of a contract's own (validators, key rules, upgrades) raises for fields that it does not take.
_OF_THE_COMMAND = (ValueError, LookupError, ArithmeticError)


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
    strays: list[Misrouted] = field(default_factory=list)
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
                self.strays.append(part)
            case Question():
                self.questions.append(part)


def read(delivery: Delivery, service: Service, now_millis: int) -> list[Part]:
    """Return the parts of a delivery. Whatever was sent, it returns at least one part and never raises."""
    try:
        envelope = decode(delivery.body, delivery.headers, delivery.properties)
    except MalformedMessage as error:
        return [refuse_message(delivery, error)]
    delivery.origin = envelope.user
    delivery.reply_to = envelope.reply_to
    return [_part(delivery, item, envelope.hops, service, now_millis) for item in envelope.items]


def _part(delivery: Delivery, item: Item, hops: int, service: Service, now_millis: int) -> Part:
    try:
        return _decided(delivery, item, hops, service, now_millis)
    except MalformedMessage as error:
        digest = content_hash(item)
        cause = Cause(error.cause, str(error))
        # Its id is taken note of when it is this service's to use: a later good command may not pass under it.
        known = ledger_id(item.id) if _owner(item.task) == service.name else None
        return Refused(delivery, item.id, digest, cause, item, item.fields, known)


def _decided(delivery: Delivery, item: Item, hops: int, service: Service, now_millis: int) -> Part:
    if item.task == LOOKUP_TASK:
        return _question(delivery, item)
    if item.task == MANY_TASK or _owner(item.task) != service.name:
        raise MalformedMessage(
            "wrong-service", f"expected a command of {service.name}, whose queue this is, got {item.task}"
        )
    command, key = command_and_key(item, service)
    if item.key is None and key is not None:
        item = replace(item, key=key)  # a stock producer sends none: from here on it is always the contract's
    lane = delivery.lane if isinstance(command, NotYet) and key is None else lane_of(key, service.lanes)
    if lane != delivery.lane:
        if hops:
            raise MalformedMessage(
                "second-hop", f"expected in lane {lane}, forwarded once already to lane {delivery.lane}"
            )
        return Misrouted(delivery, item, route_of(service.name, key, service.lanes))
    _refuse_too_old(item, service, now_millis)
    return Arrived(delivery, item, ledger_id(item.id), content_hash(item), command)


def _question(delivery: Delivery, item: Item) -> Question:
    asked = from_json(item.fields).get("id")
    if not isinstance(asked, str):
        raise MalformedMessage("bad-fields", "a look-up needs the id of a command as text")
    return Question(delivery, item.id, asked)


def command_and_key(item: Item, service: Service) -> tuple[Command | NotYet, str | None]:
    """Return the command in an item, or why it has to wait for another writer, and its key.

    Raises :class:`MalformedMessage` as :func:`command_of` does, and when the key is not the one that the item has.
    """
    command = command_of(item, service)
    key = contract_key(command, item)
    if isinstance(key, NotYet):
        command, key = key, item.key
    if item.key is not None and item.key != key:
        raise MalformedMessage("wrong-key", f"expected the key {key!r} that the fields give, got {item.key!r}")
    return command, key


def contract_key(command: Command | NotYet, item: Item) -> str | NotYet | None:
    """Return the key of a command by its contract, or why it has to wait for another writer.

    Raises :class:`MalformedMessage` when its fields give none.
    """
    if isinstance(command, NotYet):
        return item.key  # of a command that cannot be read, only what the producer says is known
    try:
        key: object = key_of(command)  # of a rule that nobody may have checked
    except _OF_THE_COMMAND as error:
        raise MalformedMessage("bad-fields", f"{item.task}: its key cannot be told: {error!r}") from error
    except Exception as error:  # noqa: BLE001  as for an upgrade: the rule has a mistake, the command has none
        return NotYet(f"the key of {item.task} cannot be told: {error!r}", broken=True)
    if key is None or is_key(key):
        return key
    if not isinstance(key, str):
        return NotYet(f"the key of {item.task} is {type(key).__name__}, not text", broken=True)
    raise MalformedMessage("bad-fields", f"{item.task}: its key is too long, or text that PostgreSQL cannot store")


def command_of(item: Item, service: Service) -> Command | NotYet:
    """Return the command in an item, or why it has to wait for another writer.

    Raises :class:`MalformedMessage` when it is no command of the service or its fields fail the contract.
    """
    kind = service.commands.get(item.task)
    if kind is None:
        names = ", ".join(sorted(service.commands))
        raise MalformedMessage("unknown-task", f"expected one of {names}; got {item.task}")
    contract = contract_of(kind)
    if item.version > contract.version:
        return NotYet(f"version {item.version} of {item.task} is newer than this writer")
    if b"\\u0000" in item.fields and _NUL.search(item.fields):
        raise MalformedMessage("bad-fields", f"{item.task}: text with a NUL character, which PostgreSQL cannot store")
    fields = _of_today(item, contract)
    if isinstance(fields, NotYet):
        return fields
    try:
        command = kind.model_validate_json(fields)
    except ValidationError as error:
        text = f"{item.task} version {item.version}, {first_wrong_field(error)}"
        raise MalformedMessage("bad-fields", text) from error
    except _OF_THE_COMMAND as error:
        raise MalformedMessage("bad-fields", f"{item.task} version {item.version}: {error!r}") from error
    except Exception as error:  # noqa: BLE001  a validator of the contract's own has a mistake, the command has none
        return NotYet(f"the contract of {item.task} cannot read it: {error!r}", broken=True)
    identify(command, item.id)
    return command


def _of_today(item: Item, contract: Contract) -> bytes | NotYet:
    """Return an item's fields as today's contract has them, upgraded version by version."""
    if item.version == contract.version or not contract.upgrades:
        return item.fields
    if item.version not in contract.upgrades:
        raise MalformedMessage(
            "old-version",
            f"expected version {min(contract.upgrades)} of {item.task} or later, from which its contract has upgrades; "
            f"got version {item.version}",
        )
    fields: Any = from_json(item.fields)
    for version in range(item.version, contract.version):
        try:
            fields = contract.upgrades[version](fields)
        except _OF_THE_COMMAND as error:
            text = f"the upgrade from version {version} does not take it: {error!r}"
            raise MalformedMessage("bad-fields", f"{item.task} version {item.version}: {text}") from error
        except Exception as error:  # noqa: BLE001  whatever it is: the upgrade has a mistake, the command has none
            return NotYet(f"the upgrade of {item.task} from version {version} failed: {error!r}", broken=True)
        if not isinstance(fields, dict):
            what = type(fields).__name__
            return NotYet(f"the upgrade of {item.task} from version {version} returned {what}, not a dict", broken=True)
    try:
        return to_json(fields)
    except ValueError as error:
        return NotYet(f"the upgrades of {item.task} returned what is no JSON: {error}", broken=True)


def _refuse_too_old(item: Item, service: Service, now_millis: int) -> None:
    made = millis_of(item.id)
    if made is not None and made < now_millis - service.retention.total_seconds() * 1000:
        days = service.retention.days
        raise MalformedMessage(
            "too-old", f"the id was made over {days} days ago: whether it was applied is not known any more"
        )


def refuse_message(delivery: Delivery, error: MalformedMessage) -> Refused:
    """Return a message that cannot be read as what is parked of it."""
    digest = hashlib.blake2b(delivery.body, digest_size=16)
    claimed = delivery.headers.get("id")
    named = isinstance(claimed, str) and 0 < len(claimed) <= MAX_ID_BYTES
    if is_id(claimed):
        # Not one of ours, but whoever asks is told under the id that it knows.
        delivery.reply_to = reply_to_of(delivery.properties)
    # Without an id of its own its content is its id, so that a redelivery is not parked twice.
    identity = str(claimed) if named else f"content-{digest.hexdigest()}"
    cause = Cause(error.cause, str(error))
    return Refused(delivery, identity, _signed(digest.digest()), cause, None, delivery.body)


def content_hash(item: Item) -> int:
    """Return a signed 64-bit hash of what a command says.

    The decoder gives ``fields`` one form for all producers.
    """
    return _signed(hashlib.blake2b(item.task.encode() + b"\0" + item.fields, digest_size=8).digest())


def _signed(digest: bytes) -> int:
    return int.from_bytes(digest[:8], signed=True)


def _owner(task: str) -> str:
    return task.partition(".")[0]
