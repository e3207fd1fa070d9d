"""The brokers that a publisher must not be able to tell apart: RabbitMQ, and the one in memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

from tests.answering import Writer
from tests.broker import DEADLINE_SECONDS, Taken, Vhost, eventually, memory_alarm
from tests.relay import Relay
from tests.sample import accounts
from tests.servers import OWNER
from writegate import Service
from writegate.message.envelope import decode
from writegate.publishing import Publisher
from writegate.testing import MemoryBroker


class Broker(Protocol):
    """A broker of a test's own, with what the test does to it."""

    def declare(self, service: Service) -> None:
        """Make what a service needs."""

    def user(self, name: str, *, write: str, password: str = "secret") -> None:
        """Make a user that may publish where ``write`` matches and nothing else, or give it another password."""

    def publisher(self, user: str = "", *, password: str = "", app_id: str | None = None, **settings: Any) -> Publisher:
        """Return a publisher, by default of a user that may do anything."""

    def take(self, service: Service, lane: int, commands: int) -> list[Taken]:
        """Consume a lane until so many different commands have come; fail when they do not come."""

    def waiting(self, service: Service, lane: int) -> int:
        """Messages in a lane."""

    def answering(self, *bodies: bytes) -> AbstractContextManager[None]:
        """Reply to the first messages in lane 0 of ``accounts`` with these bodies, as long as the block lasts."""

    def blocked(self) -> AbstractContextManager[None]:
        """Stop reading from publishers, as long as the block lasts."""

    def away(self) -> AbstractContextManager[None]:
        """Lose every connection and take none, as long as the block lasts."""


class RabbitMq:
    """The real one. Publishers reach it through a relay, which can be cut."""

    def __init__(self, vhost: Vhost, relay: Relay) -> None:
        self._vhost = vhost
        self._relay = relay
        self.declare = vhost.declare
        self.take = vhost.take
        self.waiting = vhost.waiting
        self.away = relay.away

    def user(self, name: str, *, write: str, password: str = "secret") -> None:
        self._vhost.user(name, write=write, password=password)

    def publisher(self, user: str = "", *, password: str = "", app_id: str | None = None, **settings: Any) -> Publisher:
        url = self._vhost.url(user or OWNER, password or ("secret" if user else ""))
        return Publisher(self._vhost.settings(self._relay.in_place(url), **settings), app_id=app_id)

    def answering(self, *bodies: bytes) -> Writer:
        return Writer(self._vhost, *bodies)

    def blocked(self) -> AbstractContextManager[None]:
        return memory_alarm(self._vhost.servers)


class Memory:
    """The one in memory."""

    def __init__(self) -> None:
        self._broker = MemoryBroker()
        self.declare = self._broker.declare
        self.waiting = self._broker.waiting
        self.blocked = self._broker.blocked
        self.away = self._broker.away

    def user(self, name: str, *, write: str, password: str = "secret") -> None:
        self._broker.user(name, write=write, password=password)

    def publisher(self, user: str = "", *, password: str = "", app_id: str | None = None, **settings: Any) -> Publisher:
        usual = {"publish_timeout_seconds": DEADLINE_SECONDS}
        who = {"user": user, "password": password or "secret"} if user else {"password": password}
        return self._broker.publisher(**who, app_id=app_id, **(usual | settings))

    def take(self, service: Service, lane: int, commands: int) -> list[Taken]:
        taken: list[Taken] = []
        while len({item.id for message in taken for item in message.items}) < commands:
            eventually(lambda: self.waiting(service, lane), f"a message in {service} {lane}")
            for stored in self._broker.take(service, lane):
                sent = stored.sent
                read = decode(sent.body, sent.properties.headers, {"content_type": sent.properties.content_type})
                taken.append(Taken(sent.body, sent.properties, sent.routing_key, read))
        return taken

    @contextmanager
    def answering(self, *bodies: bytes) -> Iterator[None]:
        thread = threading.Thread(target=self._answer, args=bodies)
        thread.start()
        yield
        thread.join()

    def _answer(self, *bodies: bytes) -> None:
        with self._broker.publisher() as writer:
            for body in bodies:
                (asked,) = self.take(accounts, 0, 1)
                writer.reply(asked.properties.reply_to, asked.properties.correlation_id, body)
