"""A small service, and deliveries as a writer would get them, for tests of the parts around a command."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import Field

from writegate import Command, Service
from writegate.contract.lanes import lane_of
from writegate.message.envelope import Item, Message, encode, encode_many, item_of
from writegate_writer.receive.delivery import Arrived, Delivery
from writegate_writer.receive.reading import read
from writegate_writer.receive.verified import verify
from writegate_writer.schedule.domain import Domain

LANES = 4


class Deposit(Command, key="account"):
    """Money comes in."""

    account: str
    amount: int = Field(ge=1)


class Withdraw(Command, key="account", version=3):
    """Money goes out."""

    account: str
    amount: int


class Note(Command):
    """About nothing in particular, so without a key."""

    text: str


accounts = Service("accounts", commands=[Deposit, Withdraw, Note], lanes=LANES)


def now_millis() -> int:
    return int(time.time() * 1000)


def delivery(
    message: Message,
    lane: int = 0,
    *,
    headers: Mapping[str, Any] | None = None,
    redelivered: bool = False,
    **properties: Any,
) -> Delivery:
    """Return a message as it arrives in a lane of :data:`accounts`, with headers and properties added or replaced."""
    sent, given = {**message.headers, **(headers or {})}, message.properties | properties
    verified = verify(sent, given, redelivered=redelivered)
    return Delivery(accounts.name, lane, 1, 0, message.body, sent, given, verified=verified)


def delivered(command: Command, lane: int | None = None, **more: Any) -> Delivery:
    """Return a command as it arrives, by default in its own lane."""
    item = item_of(command)
    return delivery(encode(item), lane_of(item.key, LANES) if lane is None else lane, **more)


def delivered_many(commands: Iterable[Command], lane: int) -> Delivery:
    return delivery(encode_many("many-1", [item_of(command) for command in commands]), lane)


def arrived(command: Command) -> Arrived:
    """Return a command that may be applied."""
    (part,) = read(delivered(command), accounts, now_millis())
    assert isinstance(part, Arrived), part
    return part


def item(key: str | None, fields: bytes = b"{}", command_id: str = "c-1") -> Item:
    return Item(command_id, "accounts.deposit", 1, key, fields)


def first_queue(domain: Domain) -> deque[Delivery] | None:
    """Return the queue whose turn it is, and end its turn."""
    _, queues = domain.next_queues()
    return queues[0] if queues else None
