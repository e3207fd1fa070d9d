"""The virtual host of a gate as a test sees it: publishers, the administrator's channel, and what is in the queues."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pika
from pika.adapters.blocking_connection import BlockingChannel

from tests.servers import OWNER, Servers
from writegate import Command
from writegate.config import Settings
from writegate.message.envelope import Message
from writegate.publishing import Publisher

PASSWORD = "trial-secret"  # of the services of tests, for which the stack has made none


def send(channel: BlockingChannel, queue: str, message: Message) -> None:
    """Put a message straight into a queue, confirmed."""
    properties = pika.BasicProperties(headers=message.headers, **message.properties)
    channel.basic_publish("", queue, message.body, properties, mandatory=True)


class GateBroker:
    """One virtual host.

    ``own_services``: the services that are part of the tests. ``environment`` returns that of a service's process.
    """

    def __init__(
        self, servers: Servers, name: str, own_services: Collection[str], environment: Callable[[str], dict[str, str]]
    ) -> None:
        self._servers = servers
        self._name = name
        self._own_services = own_services
        self._environment = environment

    def url(self, user: str = OWNER) -> str:
        """Return the URL of a user."""
        return self._servers.broker_url(user, self._name, PASSWORD if user in self._own_services else "")

    def publisher(self, service: str = "trial", **settings: str) -> Publisher:
        """Return a publisher as a service has it."""
        return Publisher(Settings.load({**self._environment(service), **settings}))

    def publish(self, commands: Iterable[Command], service: str = "trial") -> None:
        """Publish commands as a service does."""
        with self.publisher(service) as publisher:
            publisher.publish_many(commands)

    @contextmanager
    def channel(self) -> Iterator[BlockingChannel]:
        """Yield a confirming channel of the administrator, who may publish anything anywhere."""
        parameters = pika.URLParameters(self.url())
        parameters.heartbeat = 0  # none is sent while a test waits for something else
        with closing(pika.BlockingConnection(parameters)) as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            yield channel

    def ready_counts(self, service: str = "trial") -> dict[str, int]:
        """Return how many messages are ready in each queue of a service, its dead-letter queue included.

        While no writer runs, these are all messages.
        """
        with self.channel() as channel:
            names = [queue["name"] for queue in self._queues() if queue["name"].startswith(f"writes.{service}.")]
            return {name: channel.queue_declare(name, passive=True).method.message_count for name in names}

    def drop(self) -> None:
        """Delete the virtual host."""
        with self._servers.broker_api() as api:
            api.delete(f"/vhosts/{self._name}").raise_for_status()

    def _queues(self) -> list[dict[str, Any]]:
        with self._servers.broker_api() as api:
            return list(api.get(f"/queues/{self._name}?disable_stats=true").raise_for_status().json())
