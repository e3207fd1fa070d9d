"""The broker in memory, with the methods that the tests of a service use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Self

from writegate.config import Settings
from writegate.contract.command import Command
from writegate.contract.service import Service
from writegate.message.read_back import compare_every_command
from writegate.message.topology import queue_name, topology_of
from writegate.publishing import Publisher
from writegate.publishing.wire import Carrier, Listener
from writegate.testing.memory_node import Node, Sent, Stored
from writegate.testing.memory_wire import MemoryWire
from writegate.testing.published import commands_in, difference

USER = "test"  # the broker user of publishers for which a test names none


class MemoryBroker:
    """A broker inside this process, with the queues of ``services``. Any thread may use it."""

    def __init__(self, services: Iterable[Service] = ()) -> None:
        compare_every_command()
        self._node = Node()
        self._services: dict[str, Service] = {}
        self._publishers: list[Publisher] = []
        self.user(USER, write=".*")
        for service in services:
            self.declare(service)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the publishers that were made here."""
        for publisher in self._publishers:
            publisher.close(timeout=0)  # no test waits for what is still on its way

    # What exists at the broker.

    def declare(self, service: Service) -> None:
        """Create the exchanges and queues of a service. Existing ones stay as they are."""
        self._services[service.name] = service
        self._node.declare(topology_of(service))

    def user(self, name: str, *, write: str, password: str = "") -> None:
        """Create a user who may publish to exchanges whose names match the regular expression ``write``."""
        self._node.allow(name, password, write)

    def publisher(
        self, user: str = USER, *, password: str = "", app_id: str | None = None, **settings: Any
    ) -> Publisher:
        """Return a publisher that is connected to this broker, with the default settings except those given.

        It has no spool unless a directory is given, so that a test sees what the broker answers.
        """
        without_spool = {"spool_directory": "off"}
        validated = Settings.model_validate(without_spool | settings)
        made = Publisher(validated, app_id=app_id, wire=self.wire(user, password))
        self._publishers.append(made)
        return made

    def wire(self, user: str = USER, password: str = "") -> Callable[[Listener], Carrier]:
        """Return the ``wire`` argument that connects a :class:`~writegate.publishing.Publisher` to this broker."""
        return partial(MemoryWire, self._node, user, password)

    # What was published.

    @property
    def services(self) -> tuple[Service, ...]:
        """The services that were declared."""
        return tuple(self._services.values())

    @property
    def published(self) -> list[Command]:
        """Every command that was accepted, in order, as read from the bytes of the messages.

        Commands with the same fields are equal, so ``in`` and ``count`` work.
        """
        return [command for stored in self._node.history() for command in commands_in(stored.sent, self._services)]

    def assert_published(
        self, kind: type[Command], *, key: str | None = None, times: int | None = None, **fields: Any
    ) -> None:
        """Fail unless commands of this type, with this key and these fields, were published.

        ``times`` is their exact number; without it, at least one is expected. For a field that is called ``key`` or
        ``times``, compare whole commands: ``assert Deposit(…) in broker.published``.
        """
        __tracebackhide__ = True
        problem = difference(self.published, kind, key, times, fields)
        if problem is not None:
            raise AssertionError(problem)

    def waiting(self, service: Service, lane: int) -> int:
        """Return how many messages wait in a lane."""
        return self._node.waiting(queue_name(service.name, lane))

    def take(self, service: Service | None = None, lane: int | None = None) -> list[Stored]:
        """Consume what waits, oldest first: in one lane, in all lanes of a service, or in all lanes."""
        services = self.services if service is None else (service,)
        queues = [
            queue_name(owner.name, number)
            for owner in services
            for number in (range(owner.lanes) if lane is None else [lane])
        ]
        return self._node.consume(queues)

    def on_stored(self, call: Callable[[Sent], None] | None) -> None:
        """Call this with each message that was stored, on its publisher's thread and before it gets the confirm."""
        self._node.on_stored = call

    # Failures.

    @contextmanager
    def blocked(self, reason: str = "low on memory") -> Iterator[None]:
        """Stop reading from publishers inside the block, like a broker that is low on memory or disk."""
        self._node.block(reason)
        try:
            yield
        finally:
            self._node.block(None)

    @contextmanager
    def away(self) -> Iterator[None]:
        """Close every connection and refuse new ones inside the block. Stored messages stay."""
        self._node.go_away()
        try:
            yield
        finally:
            self._node.come_back()
