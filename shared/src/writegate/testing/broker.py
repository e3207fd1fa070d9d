"""The broker in memory, as tests of a service use it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Self

from writegate.config import Settings
from writegate.contract.command import Command
from writegate.contract.service import Service
from writegate.message.topology import queue_name, topology_of
from writegate.publishing import Publisher
from writegate.publishing.wire import Carrier, Listener
from writegate.testing.memory_node import Node, Stored
from writegate.testing.memory_wire import MemoryWire
from writegate.testing.published import commands_in, difference

USER = "test"  # whom a publisher publishes as when the test does not care


class MemoryBroker:
    """A broker of this process, with the queues of ``services``."""

    def __init__(self, services: Iterable[Service] = ()) -> None:
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
            publisher.close(timeout=0)  # what nobody waits for any more need not arrive

    # What is there.

    def declare(self, service: Service) -> None:
        """Make what a service needs at the broker. What is there stays as it is."""
        self._services[service.name] = service
        self._node.declare(topology_of(service))

    def user(self, name: str, *, write: str, password: str = "") -> None:
        """Make a user that may publish to exchanges whose name ``write``, a regular expression, matches."""
        self._node.allow(name, password, write)

    def publisher(
        self, user: str = USER, *, password: str = "", app_id: str | None = None, **settings: Any
    ) -> Publisher:
        """Return a publisher that publishes here, with the default settings but for those given.

        It has no spool unless it is given a directory: what the broker says is to be seen.
        """
        usual = {"spool_directory": "off"}
        made = Publisher(Settings.model_validate(usual | settings), app_id=app_id, wire=self.wire(user, password))
        self._publishers.append(made)
        return made

    def wire(self, user: str = USER, password: str = "") -> Callable[[Listener], Carrier]:
        """Return what a :class:`~writegate.publishing.Publisher` takes for its connection to this broker."""
        return partial(MemoryWire, self._node, user, password)

    # What was published.

    @property
    def services(self) -> tuple[Service, ...]:
        """The services that were declared."""
        return tuple(self._services.values())

    @property
    def published(self) -> list[Command]:
        """Every command that was accepted, in the order of acceptance, as read from the bytes that were sent.

        A command is equal to another one that says the same, so ``in`` and ``count`` work.
        """
        sent = (one.sent for one in self._node.history())
        return [command for one in sent for command in commands_in(one, self._services)]

    def assert_published(
        self, kind: type[Command], *, key: str | None = None, times: int | None = None, **fields: Any
    ) -> None:
        """Fail unless commands of this type, with this key and these fields, were published.

        ``times``: exactly so often; at least once when it is not given. Where a field is itself called ``key`` or
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
        """Consume what waits, oldest first: in one lane, in all lanes of a service, or in all there are."""
        services = self.services if service is None else (service,)
        lanes = [(one, range(one.lanes) if lane is None else [lane]) for one in services]
        return self._node.consume([queue_name(one.name, number) for one, numbers in lanes for number in numbers])

    # What goes wrong.

    @contextmanager
    def blocked(self, reason: str = "low on memory") -> Iterator[None]:
        """Stop reading from publishers, as a broker does that is short of memory or disk."""
        self._node.block(reason)
        try:
            yield
        finally:
            self._node.block(None)

    @contextmanager
    def away(self) -> Iterator[None]:
        """Lose every connection and take none; what is stored stays."""
        self._node.go_away()
        try:
            yield
        finally:
            self._node.come_back()
