"""What must exist at the broker for a service: plain data, made so by ``writegate apply``."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from writegate.contract.lanes import lane_of
from writegate.contract.service import Service, declared_lanes

DEAD_EXCHANGE = "writes.dead"
ANY = "any"  # the routing key of producers that cannot compute a lane

# From RabbitMQ 4.0 a quorum queue counts a delivery for every message that was prefetched when a channel goes down, and
# drops past its limit (20 by default); queue arguments cannot be raised later.
DELIVERY_LIMIT = 1000
# What is dead already has nowhere to go: past a limit it would be dropped. As good as none, which older brokers do not
# let one say.
NO_DELIVERY_LIMIT = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Exchange:
    """A durable direct exchange."""

    name: str


@dataclass(frozen=True, slots=True)
class Queue:
    """A durable quorum queue and its arguments."""

    name: str
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Binding:
    """``exchange`` sends ``routing_key`` to ``queue``."""

    exchange: str
    queue: str
    routing_key: str


@dataclass(frozen=True, slots=True)
class Topology:
    """Everything one service needs at the broker."""

    exchanges: tuple[Exchange, ...]
    queues: tuple[Queue, ...]
    bindings: tuple[Binding, ...]


@dataclass(frozen=True, slots=True)
class Route:
    """Where a command goes."""

    exchange: str
    routing_key: str


def exchange_name(service: str) -> str:
    """The exchange a service publishes to."""
    return f"writes.{service}"


def queue_name(service: str, lane: int) -> str:
    """The queue of one lane."""
    return f"writes.{service}.{lane}"


def dead_queue_name(service: str) -> str:
    """Where the broker puts what it gave up delivering."""
    return f"writes.{service}.dead"


def route_of(service: str, key: str | None, lanes: int) -> Route:
    """Return the route of a key of a service with so many lanes."""
    return _lane_route(service, lane_of(key, lanes))


@lru_cache(maxsize=4096)
def _lane_route(service: str, lane: int) -> Route:
    return Route(exchange_name(service), str(lane))


def rerouted(route: Route, key: str | None) -> Route:
    """Return the route that a command has today, of which ``route`` was the one when it was published.

    Its service may have another number of lanes by now. What is not known in this process stays as it was.
    """
    service = route.exchange.removeprefix(exchange_name(""))
    lanes = declared_lanes().get(service)
    return route if lanes is None or not route.routing_key.isdecimal() else route_of(service, key, lanes)


def topology_of(service: Service, lanes: int | None = None) -> Topology:
    """Return the exchanges, queues and bindings of a service.

    ``lanes``: how many it has now, by default as many as it declares. Until it has those, what is published to them
    goes to the ones there are: the writers forward it.
    """
    there = service.lanes if lanes is None else lanes
    exchange = exchange_name(service.name)
    arguments = {
        "x-queue-type": "quorum",
        "x-single-active-consumer": True,
        "x-delivery-limit": DELIVERY_LIMIT,
        "x-max-length": service.max_waiting,
        "x-max-length-bytes": service.max_waiting_bytes,
        # Refusing is what makes both "nothing is dropped" and dead-lettering at least once possible.
        "x-overflow": "reject-publish",
        "x-dead-letter-exchange": DEAD_EXCHANGE,
        "x-dead-letter-routing-key": service.name,
        "x-dead-letter-strategy": "at-least-once",
    }
    queues = [queue_name(service.name, lane) for lane in range(there)]
    dead = dead_queue_name(service.name)
    return Topology(
        exchanges=(Exchange(exchange), Exchange(DEAD_EXCHANGE)),
        queues=(
            *(Queue(name, arguments) for name in queues),
            Queue(dead, {"x-queue-type": "quorum", "x-delivery-limit": NO_DELIVERY_LIMIT}),
        ),
        bindings=(
            *(Binding(exchange, queues[lane % there], str(lane)) for lane in range(max(there, service.lanes))),
            Binding(exchange, queues[0], ANY),
            Binding(DEAD_EXCHANGE, dead, service.name),
        ),
    )
