"""A vhost of its own at the private broker, with what a publisher's tests do to it."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pika
from pika.adapters.blocking_connection import BlockingChannel

from tests.deadlines import patient
from tests.servers import OWNER, Servers
from writegate import Service
from writegate.config import Settings
from writegate.message.envelope import Item, decode
from writegate.message.topology import queue_name, topology_of
from writegate_devkit.stack.readiness import wait_until

DEADLINE_SECONDS = patient(30)
RABBITMQCTL = "/usr/lib/rabbitmq/bin/rabbitmqctl"


@dataclass(frozen=True)
class Taken:
    """A message as a consumer got it, and the commands in it."""

    body: bytes
    properties: pika.BasicProperties
    routing_key: str
    items: tuple[Item, ...]


@dataclass(frozen=True)
class Vhost:
    """A vhost that goes away with the test."""

    servers: Servers
    name: str

    def url(self, user: str = OWNER, password: str = "") -> str:
        return self.servers.broker_url(user, self.name, password)

    def settings(self, url: str = "", **more: Any) -> Settings:
        usual = {
            "broker_url": url or self.url(),
            "publish_timeout_seconds": DEADLINE_SECONDS,
            "spool_directory": "off",  # what the broker says is to be seen
        }
        return Settings.model_validate(usual | more)

    @contextmanager
    def channel(self) -> Iterator[BlockingChannel]:
        connection = pika.BlockingConnection(pika.URLParameters(self.url()))
        try:
            yield connection.channel()
        finally:
            if connection.is_open:
                connection.close()

    def declare(self, service: Service) -> None:
        """Make what a service needs."""
        topology = topology_of(service)
        with self.channel() as channel:
            for exchange in topology.exchanges:
                channel.exchange_declare(exchange.name, "direct", durable=True)
            for queue in topology.queues:
                channel.queue_declare(queue.name, durable=True, arguments=queue.arguments)
            for binding in topology.bindings:
                channel.queue_bind(binding.queue, binding.exchange, binding.routing_key)

    def user(self, name: str, *, write: str, password: str = "secret") -> str:
        """Make a user that may publish where ``write`` matches and nothing else; return its URL."""
        with self.servers.broker_api() as api:
            api.put(f"/users/{name}", json={"password": password, "tags": ""}).raise_for_status()
            rights = {"configure": "", "write": write, "read": ""}
            api.put(f"/permissions/{self.name}/{name}", json=rights).raise_for_status()
        return self.url(name, password)

    def take(self, service: Service, lane: int, commands: int) -> list[Taken]:
        """Consume a lane until so many different commands have come; fail when they do not come."""
        taken: list[Taken] = []
        while len({item.id for message in taken for item in message.items}) < commands:
            taken += self.take_all(service, lane)
        return taken

    def take_all(self, service: Service, lane: int) -> list[Taken]:
        """Consume what is in a lane, at least one message."""
        taken: list[Taken] = []
        with self.channel() as channel:
            queue = queue_name(service.name, lane)
            eventually(lambda: channel.queue_declare(queue, passive=True).method.message_count, f"a message in {queue}")
            count = channel.queue_declare(queue, passive=True).method.message_count
            for method, properties, body in channel.consume(queue, inactivity_timeout=DEADLINE_SECONDS):
                assert method is not None, f"{queue}: expected {count} messages, only {len(taken)} came"
                channel.basic_ack(method.delivery_tag)
                read = decode(body, properties.headers, {"content_type": properties.content_type})
                taken.append(Taken(body, properties, method.routing_key, read))
                if len(taken) == count:
                    break
            channel.cancel()
        return taken

    def waiting(self, service: Service, lane: int) -> int:
        """Messages in a lane."""
        with self.channel() as channel:
            return int(channel.queue_declare(queue_name(service.name, lane), passive=True).method.message_count)

    def connections(self, name: str = "writegate publisher") -> list[dict[str, Any]]:
        """The connections of publishers, as the management API tells."""
        with self.servers.broker_api() as api:
            listed = api.get(f"/vhosts/{self.name}/connections").raise_for_status().json()
        return [
            one for one in listed if one.get("client_properties", {}).get("connection_name", "").startswith(f"{name} ")
        ]


@contextmanager
def vhost_of(servers: Servers, name: str) -> Iterator[Vhost]:
    # Never the same name twice: a quorum queue that was deleted and made again did not come back after a kill (3.10).
    name = f"{name}-{secrets.token_hex(4)}"
    with servers.broker_api() as api:
        api.put(f"/vhosts/{name}", json={}).raise_for_status()
        everything = dict.fromkeys(("configure", "write", "read"), ".*")
        api.put(f"/permissions/{name}/{OWNER}", json=everything).raise_for_status()
        yield Vhost(servers, name)
        api.delete(f"/vhosts/{name}").raise_for_status()


@contextmanager
def memory_alarm(servers: Servers) -> Iterator[None]:
    """Make the broker block publishers as if it were short of memory."""
    rabbitmqctl(servers, "set_vm_memory_high_watermark", "0.000001")
    try:
        yield
    finally:
        rabbitmqctl(servers, "set_vm_memory_high_watermark", "absolute", "2GB")


def rabbitmqctl(servers: Servers, *arguments: str) -> str:
    """Run RabbitMQ's own tool on the private node; return what it prints."""
    (node,) = [program for program in servers.stack.declared() if program.name == "rabbitmq"]
    done = subprocess.run(
        [RABBITMQCTL, *arguments], env=dict(node.environment), cwd=node.directory, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def eventually(probe: Callable[[], object], what: str) -> None:
    """Fail when ``probe`` does not come true in time."""
    assert wait_until(lambda: bool(probe()), DEADLINE_SECONDS), f"not within {DEADLINE_SECONDS} s: {what}"
