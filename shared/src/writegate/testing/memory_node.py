"""The part of RabbitMQ that a publisher can observe, in memory: exchanges, queues with limits, users, connections.

Texts and reply codes are RabbitMQ's, as far as a publisher's errors contain them.
"""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

import pika

from writegate.message.topology import Topology
from writegate.publishing.wire import REPLY_TO

if TYPE_CHECKING:
    from writegate.testing.memory_wire import MemoryWire


class Taken(Enum):
    """What the broker did with a message."""

    STORED = "stored"
    FULL = "full"
    UNROUTABLE = "unroutable"


class ChannelRefused(Exception):
    """The broker closes the channel because of a message. ``code`` is AMQP's reply code."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class LoginRejected(ConnectionError):
    """The user is not known, or the password is another one."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A message as its publisher sent it."""

    exchange: str
    routing_key: str
    body: bytes
    properties: pika.BasicProperties


@dataclass(frozen=True, slots=True)
class Stored:
    """A message as a consumer gets it. ``number`` counts what the broker has stored."""

    number: int
    queue: str
    sent: Sent


@dataclass(slots=True)
class _Queue:
    most_messages: float
    most_bytes: float
    ready: deque[Stored] = field(default_factory=deque)
    bytes: int = 0

    def takes(self, size: int) -> bool:
        return len(self.ready) < self.most_messages and self.bytes + size <= self.most_bytes


@dataclass(frozen=True, slots=True)
class _User:
    password: str
    write: re.Pattern[str]


class Node:
    """A broker. Any thread may call its methods; it calls wires back only on their own threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bindings: dict[str, dict[str, list[str]]] = {}  # queues by exchange and routing key
        self._queues: dict[str, _Queue] = {}
        self._users: dict[str, _User] = {}
        self._stored: list[Stored] = []
        self._wires: dict[str, MemoryWire] = {}  # started and not stopped, by address
        self._connected: set[str] = set()
        self._away = False
        self._blocked: str | None = None
        self.on_stored: Callable[[Sent], None] | None = None  # called by wires, without the lock

    def declare(self, topology: Topology) -> None:
        """Create what does not exist yet."""
        with self._lock:
            for exchange in topology.exchanges:
                self._bindings.setdefault(exchange.name, {})
            for queue in topology.queues:
                messages, size = (queue.arguments.get(name) for name in ("x-max-length", "x-max-length-bytes"))
                self._queues.setdefault(queue.name, _Queue(messages or float("inf"), size or float("inf")))
            for binding in topology.bindings:
                bound = self._bindings[binding.exchange].setdefault(binding.routing_key, [])
                if binding.queue not in bound:
                    bound.append(binding.queue)

    def allow(self, user: str, password: str, write: str) -> None:
        """Create a user who may publish to exchanges whose names match the regular expression ``write``."""
        with self._lock:
            self._users[user] = _User(password, re.compile(write))

    def history(self) -> list[Stored]:
        """Return every message that was ever stored, in order."""
        with self._lock:
            return list(self._stored)

    def waiting(self, queue: str) -> int:
        """Return how many messages wait in a queue."""
        with self._lock:
            return len(self._queues[queue].ready)

    def consume(self, queues: Sequence[str]) -> list[Stored]:
        """Take and acknowledge what waits in these queues, in the order in which it was stored."""
        taken: list[Stored] = []
        with self._lock:
            for name in queues:
                queue = self._queues[name]
                taken += queue.ready
                queue.ready.clear()
                queue.bytes = 0
        return sorted(taken, key=lambda stored: stored.number)

    # Failures.

    def block(self, reason: str | None) -> None:
        """Stop (reason) or resume (None) reading from publishers."""
        with self._lock:
            self._blocked = reason
            for address in self._connected:
                self._wires[address].block(reason)

    def go_away(self) -> None:
        """Close every connection and refuse new ones. Stored messages stay."""
        with self._lock:
            self._away = True
            for address in self._connected:
                self._wires[address].lose()
            self._connected.clear()

    def come_back(self) -> None:
        """Accept connections again."""
        with self._lock:
            self._away = False
            for wire in self._wires.values():
                wire.post(wire.connect)

    # Requests of wires.

    def start(self, wire: MemoryWire) -> None:
        """Register a wire, which is connected again whenever the broker comes back."""
        with self._lock:
            self._wires[wire.address] = wire

    def stop(self, wire: MemoryWire) -> None:
        """Remove a wire for good."""
        with self._lock:
            self._wires.pop(wire.address, None)
            self._connected.discard(wire.address)

    def connect(self, wire: MemoryWire, password: str) -> str | None:
        """Accept a connection; return why publishers are blocked, or None. Raises :class:`ConnectionError`."""
        with self._lock:
            if self._away:
                raise ConnectionRefusedError("connection refused")
            known = self._users.get(wire.user)
            if known is None or known.password != password:
                raise LoginRejected(f"ACCESS_REFUSED - Login was refused for user '{wire.user}'")
            self._connected.add(wire.address)
            return self._blocked

    def store(self, wire: MemoryWire, sent: Sent) -> Taken:
        """Store a mandatory message. Raises :class:`ChannelRefused`."""
        with self._lock:
            exchange = sent.exchange
            if not self._users[wire.user].write.search(exchange):
                text = f"ACCESS_REFUSED - access to exchange '{exchange}' in vhost '/' refused for user '{wire.user}'"
                raise ChannelRefused(403, text)
            if exchange not in self._bindings:
                raise ChannelRefused(404, f"NOT_FOUND - no exchange '{exchange}' in vhost '/'")
            names = self._bindings[exchange].get(sent.routing_key, [])
            if not names:
                return Taken.UNROUTABLE
            if not all(self._queues[name].takes(len(sent.body)) for name in names):
                return Taken.FULL
            if sent.properties.reply_to == REPLY_TO:
                sent.properties.reply_to = f"{REPLY_TO}.{wire.address}"
            for name in names:
                stored = Stored(len(self._stored), name, sent)
                self._stored.append(stored)
                self._queues[name].ready.append(stored)
                self._queues[name].bytes += len(sent.body)
            return Taken.STORED

    def reply(self, reply_to: str, correlation_id: str, body: bytes) -> None:
        """Deliver a reply to the publisher that asked for it, if it is still connected."""
        with self._lock:
            address = reply_to.removeprefix(f"{REPLY_TO}.")
            if address in self._connected:
                self._wires[address].answer(correlation_id, body)
