"""What the broker must have for the services, and what differs. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from writegate import Service
from writegate.contract.targets import BUILT_IN
from writegate.contract.users import OPERATOR, READER, WRITER
from writegate.message.policies import Policy, harms
from writegate.message.topology import Binding, exchange_name, queue_name, topology_of
from writegate_writer.handlers.roles import user_of
from writegate_writer.provision.change import BrokerRequest, Change, Removal, password_variable

DURABLE_DIRECT = "durable direct"
MONITORING = "monitoring"  # the tag with which a user reads the management API, and changes nothing
# Limits of a user, by RabbitMQ's names: connections, and channels of all connections together.
CONNECTIONS, CHANNELS = "max-connections", "max-channels"
# A writer has a few connections and a channel for each of its domains: enough for a hundred writers.
_OWN_LIMITS: Mapping[str, int] = {CONNECTIONS: 1000, CHANNELS: 20_000}
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
    ``monitors``: users who may read the management API. ``lanes``: how many a service has, by name, of those wanted.
    ``limits``: those of each user, by RabbitMQ's names; 0 connections while a switch shuts a service's user out.
    ``policies``: those of users, and those of operators.
    """

    vhost: str
    exists: bool
    exchanges: Mapping[str, str] = field(default_factory=dict)
    queues: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    bindings: frozenset[Binding] = frozenset()
    users: Mapping[str, Permission | None] = field(default_factory=dict)
    wrong_passwords: frozenset[str] = frozenset()
    monitors: frozenset[str] = frozenset()
    lanes: Mapping[str, int] = field(default_factory=dict)
    limits: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    policies: tuple[tuple[Policy, ...], ...] = ()


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


def desired_broker(vhost: str, services: Iterable[Service], lanes: Mapping[str, int] | None = None) -> BrokerState:
    """Return what the services and the writer need in ``vhost``.

    ``lanes``: how many a service has now, where it is to keep that number whatever it declares.
    """
    services = tuple(services)
    numbers = {service.name: service.lanes for service in services} | dict(lanes or {})
    topologies = [topology_of(service, numbers[service.name]) for service in services]
    return BrokerState(
        vhost=vhost,
        exists=True,
        exchanges={exchange.name: DURABLE_DIRECT for topology in topologies for exchange in topology.exchanges},
        queues={queue.name: queue.arguments for topology in topologies for queue in topology.queues},
        bindings=frozenset(binding for topology in topologies for binding in topology.bindings),
        users={
            WRITER: WRITER_PERMISSION,
            READER: READER_PERMISSION,
            **{user_of(service.name): publisher_permission(service.name) for service in services},
        },
        # The writer watches for policies, the reader shows what waits, operators see both.
        monitors=frozenset({READER, WRITER, *(OPERATOR for service in services if service.name == BUILT_IN)}),
        lanes={service.name: numbers[service.name] for service in services},
        limits={
            WRITER: _OWN_LIMITS,
            READER: _OWN_LIMITS,
            **{
                user_of(service.name): {CONNECTIONS: service.max_connections, CHANNELS: service.max_channels}
                for service in services
            },
        },
    )


def diff_broker(desired: BrokerState, actual: BrokerState) -> list[Change]:
    """Return the changes that make ``actual`` hold all of ``desired``, in the order in which they can be made."""
    changes: list[Change] = []
    if not actual.exists:
        step = BrokerRequest("PUT", ("vhosts", desired.vhost), {})
        changes.append(Change("create", "vhost", desired.vhost, "at the broker", step))
    changes += _policies(desired, actual)
    changes += _exchanges(desired, actual)
    changes += _queues(desired, actual)
    changes += _bindings(desired, actual)
    changes += _leftovers(desired, actual)
    changes += _users(desired, actual)
    # The last: while a switch was under way its service's publishers were kept from what was not finished.
    changes += _limits(desired, actual)
    return changes


def _policies(desired: BrokerState, actual: BrokerState) -> Iterator[Change]:
    """Yield what policies could lose. They are other people's: nothing here changes one."""
    queues = {name: actual.queues.get(name, arguments) for name, arguments in desired.queues.items()}
    found: dict[tuple[str, str], list[str]] = {}
    for harm in harms(actual.policies, queues, desired.exchanges):
        found.setdefault((harm.policy, harm.text), []).append(harm.target)
    for (policy, text), targets in found.items():
        way = "The broker applies it beside our arguments: delete it, or give it a pattern that leaves `writes.` alone"
        yield Change("refused", "policy", policy, f"on {', '.join(targets)}: {text}. {way}")


def _exchanges(desired: BrokerState, actual: BrokerState) -> Iterator[Change]:
    for name, kind in desired.exchanges.items():
        if name not in actual.exchanges:
            body = {"type": "direct", "durable": True}
            yield Change(
                "create", "exchange", name, kind, BrokerRequest("PUT", ("exchanges", desired.vhost, name), body)
            )
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
            yield Change("create", "queue", name, "quorum", BrokerRequest("PUT", ("queues", desired.vhost, name), body))
        elif dict(there) != dict(arguments):
            differing = sorted(key for key in {*there, *arguments} if there.get(key) != arguments.get(key))
            texts = [
                f"{key} is {there.get(key, 'not set')}, expected {arguments.get(key, 'none')}" for key in differing
            ]
            service = next((candidate for candidate in desired.lanes if is_lane(candidate, name)), None)
            way = (
                "let it run empty, delete it, then apply"
                if service is None
                else f"`writegate apply --switch {service}` shuts its publishers out (their calls go to the spool), "
                "lets its lanes run empty, and makes them anew"
            )
            text = f"{'; '.join(texts)}. A queue's arguments cannot be changed and it may hold messages: {way}"
            yield Change("refused", "queue", name, text)


def is_lane(service: str, queue: str) -> bool:
    """Whether a queue is, or was, a lane of a service."""
    return lane_number(service, queue) is not None


def lane_number(service: str, queue: str) -> int | None:
    """Return which lane of a service a queue is or was; None for any other queue."""
    found = re.fullmatch(rf"{re.escape(exchange_name(service))}\.([0-9]+)", queue)
    return int(found[1]) if found else None


def _bindings(desired: BrokerState, actual: BrokerState) -> Iterator[Change]:
    wanted = desired.bindings | set(_of_other_numbers(desired, actual))
    for binding in sorted(wanted - actual.bindings, key=lambda binding: (binding.queue, binding.routing_key)):
        yield Change(
            "create",
            "binding",
            f"{binding.exchange} -> {binding.queue}",
            f"routing key {binding.routing_key}",
            BrokerRequest(
                "POST",
                ("bindings", desired.vhost, "e", binding.exchange, "q", binding.queue),
                {"routing_key": binding.routing_key},
            ),
        )

    # After the new ones: better twice in two lanes, which the ledger absorbs, than in none.
    services = {exchange_name(service): service for service in desired.lanes}
    routes = {(binding.exchange, binding.routing_key) for binding in wanted}
    for binding in sorted(actual.bindings - wanted, key=lambda binding: (binding.queue, binding.routing_key)):
        service = services.get(binding.exchange)
        if service and is_lane(service, binding.queue) and (binding.exchange, binding.routing_key) in routes:
            path = ("bindings", desired.vhost, "e", binding.exchange, "q", binding.queue, binding.routing_key)
            yield Change(
                "change",
                "binding",
                f"{binding.exchange} -> {binding.queue}",
                f"routing key {binding.routing_key} no longer",
                BrokerRequest("DELETE", path, {}),
            )


def _of_other_numbers(desired: BrokerState, actual: BrokerState) -> Iterator[Binding]:
    """Yield where routing keys lead that were lanes once: publishers that nobody has restarted still use them.

    One of the lanes there are, and always the same: a writer forwards from there, in order.
    """
    for service, lanes in desired.lanes.items():
        exchange = exchange_name(service)
        for key in {binding.routing_key for binding in actual.bindings if binding.exchange == exchange}:
            if key.isdecimal() and int(key) >= lanes:
                yield Binding(exchange, queue_name(service, int(key) % lanes), key)


def _leftovers(desired: BrokerState, actual: BrokerState) -> Iterator[Change]:
    for service, lanes in desired.lanes.items():
        for name in sorted(actual.queues):
            number = lane_number(service, name)
            if number is not None and number >= lanes and name not in desired.queues:
                text = f"{service} has {lanes} lane(s): deleted if it is empty"
                yield Change("change", "queue", name, text, Removal(name))


def _limits(desired: BrokerState, actual: BrokerState) -> Iterator[Change]:
    for user, limits in desired.limits.items():
        for name, wanted in limits.items():
            there = actual.limits.get(user, {}).get(name)
            if there == wanted:
                continue
            text = f"{name} {wanted}, it is {'not limited' if there is None else there}"
            if name == CONNECTIONS and there == 0:
                text = f"may not connect, since `apply --switch` did not come to its end: let in again, up to {wanted}"
            step = BrokerRequest("PUT", limit_path(user, name), {"value": wanted})
            yield Change("create" if there is None else "change", "limit", user, text, step)


def limit_path(user: str, name: str = CONNECTIONS) -> tuple[str, ...]:
    """Return the management API's path of a limit of a user, by default of how many connections they may have."""
    return ("user-limits", user, name)


def _users(desired: BrokerState, actual: BrokerState) -> Iterator[Change]:
    for name, permission in desired.users.items():
        variable = password_variable(name)
        # PUT replaces the user's tags as well: a tag opens the management API, so only who monitors has one.
        monitors = name in desired.monitors
        step = BrokerRequest("PUT", ("users", name), {"tags": MONITORING if monitors else ""}, password_of=name)
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
                BrokerRequest(
                    "PUT",
                    ("permissions", desired.vhost, name),
                    {"configure": permission.configure, "write": permission.write, "read": permission.read},
                ),
            )
