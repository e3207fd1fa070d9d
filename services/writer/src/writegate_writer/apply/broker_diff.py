"""What the broker must have for the services, and what differs. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from writegate import Service
from writegate.targets import BUILT_IN
from writegate.topology import Binding, exchange_name, topology_of
from writegate_writer.apply.change import Call, Change, password_variable
from writegate_writer.roles import OPERATOR, READER, WRITER, user_of

DURABLE_DIRECT = "durable direct"
MONITORING = "monitoring"  # the tag with which a user reads the management API, and changes nothing
# What Celery needs for remote control and events: mailboxes and their exchanges, of any node name.
_CONTROL = r"(.+\.)?celery\.pidbox|celeryev(\..+)?"


@dataclass(frozen=True, slots=True)
class Permission:
    """Regular expressions over names of exchanges and queues, as RabbitMQ has them for a user and a vhost."""

    configure: str
    write: str
    read: str


@dataclass(frozen=True, slots=True)
class BrokerState:
    """What a vhost has, or must have.

    ``exchanges``: kind by name. ``queues``: arguments by name. ``users``: name and permission, None without one.
    ``wrong_passwords``: users whose given password is not the one the broker knows.
    ``monitors``: users who may read the management API.
    """

    vhost: str
    exists: bool
    exchanges: Mapping[str, str] = field(default_factory=dict)
    queues: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    bindings: frozenset[Binding] = frozenset()
    users: Mapping[str, Permission | None] = field(default_factory=dict)
    wrong_passwords: frozenset[str] = frozenset()
    monitors: frozenset[str] = frozenset()


def publisher_permission(service: str) -> Permission:
    """A service publishes to its own exchange; it may not even read or declare."""
    return Permission("^$", f"^{re.escape(exchange_name(service))}$", "^$")


# Lanes and exchanges are there before the writer: it consumes, forwards and publishes, but declares none of them.
# Replies go to the queue a publisher named, which only the default exchange reaches.
WRITER_PERMISSION = Permission(
    configure=f"^({_CONTROL})$",
    write=rf"^(writes\.[a-z0-9_]+|amq\.default|{_CONTROL})$",
    read=rf"^(writes\.[a-z0-9_]+\.([0-9]+|dead)|{_CONTROL})$",
)


# The reader sees how deep the queues are, and not a message. The management API shows a vhost to who may enter it.
READER_PERMISSION = Permission("^$", "^$", "^$")


def desired_broker(vhost: str, services: Iterable[Service]) -> BrokerState:
    """Return what the services and the writer need in ``vhost``."""
    services = tuple(services)
    topologies = [topology_of(service) for service in services]
    return BrokerState(
        vhost=vhost,
        exists=True,
        exchanges={one.name: DURABLE_DIRECT for topology in topologies for one in topology.exchanges},
        queues={one.name: one.arguments for topology in topologies for one in topology.queues},
        bindings=frozenset(one for topology in topologies for one in topology.bindings),
        users={
            WRITER: WRITER_PERMISSION,
            READER: READER_PERMISSION,
            **{user_of(one.name): publisher_permission(one.name) for one in services},
        },
        monitors=frozenset({READER, *(OPERATOR for one in services if one.name == BUILT_IN)}),
    )


def diff_broker(desired: BrokerState, actual: BrokerState) -> list[Change]:
    """Return the changes that make ``actual`` hold all of ``desired``, in the order in which they can be made."""
    changes: list[Change] = []
    if not actual.exists:
        step = Call("PUT", ("vhosts", desired.vhost), {})
        changes.append(Change("create", "vhost", desired.vhost, "at the broker", step))
    changes += _exchanges(desired, actual)
    changes += _queues(desired, actual)
    changes += _bindings(desired, actual)
    changes += _users(desired, actual)
    return changes


def _exchanges(desired: BrokerState, actual: BrokerState) -> Iterator[Change]:
    for name, kind in desired.exchanges.items():
        if name not in actual.exchanges:
            body = {"type": "direct", "durable": True}
            yield Change("create", "exchange", name, kind, Call("PUT", ("exchanges", desired.vhost, name), body))
        elif actual.exchanges[name] != kind:
            yield Change(
                "refused",
                "exchange",
                name,
                f"it is {actual.exchanges[name]}, expected {kind}: delete it yourself, then apply",
            )


def _queues(desired: BrokerState, actual: BrokerState) -> Iterator[Change]:
    for name, arguments in desired.queues.items():
        there = actual.queues.get(name)
        if there is None:
            body = {"durable": True, "arguments": arguments}
            yield Change("create", "queue", name, "quorum", Call("PUT", ("queues", desired.vhost, name), body))
        elif dict(there) != dict(arguments):
            differing = sorted(key for key in {*there, *arguments} if there.get(key) != arguments.get(key))
            texts = [
                f"{key} is {there.get(key, 'not set')}, expected {arguments.get(key, 'none')}" for key in differing
            ]
            yield Change(
                "refused",
                "queue",
                name,
                f"{'; '.join(texts)}. A queue's arguments cannot be changed and it may hold messages: "
                "let it run empty, delete it, then apply",
            )


def _bindings(desired: BrokerState, actual: BrokerState) -> Iterator[Change]:
    for binding in sorted(desired.bindings - actual.bindings, key=lambda one: (one.queue, one.routing_key)):
        yield Change(
            "create",
            "binding",
            f"{binding.exchange} -> {binding.queue}",
            f"routing key {binding.routing_key}",
            Call(
                "POST",
                ("bindings", desired.vhost, "e", binding.exchange, "q", binding.queue),
                {"routing_key": binding.routing_key},
            ),
        )


def _users(desired: BrokerState, actual: BrokerState) -> Iterator[Change]:
    for name, permission in desired.users.items():
        variable = password_variable(name)
        # PUT replaces the user's tags as well: a tag opens the management API, so only who monitors has one.
        monitors = name in desired.monitors
        step = Call("PUT", ("users", name), {"tags": MONITORING if monitors else ""}, password_of=name)
        if name not in actual.users:
            yield Change("create", "broker user", name, f"password from {variable}", step)
        elif name in actual.wrong_passwords:
            yield Change("change", "broker user", name, f"password differs from {variable}", step)
        elif monitors and name not in actual.monitors:
            yield Change("change", "broker user", name, f"lacks the tag {MONITORING}", step)
        there = actual.users.get(name)
        if permission is not None and there != permission:
            yield Change(
                "create" if there is None else "change",
                "permission",
                name,
                f"configure {permission.configure} write {permission.write} read {permission.read}",
                Call(
                    "PUT",
                    ("permissions", desired.vhost, name),
                    {"configure": permission.configure, "write": permission.write, "read": permission.read},
                ),
            )
