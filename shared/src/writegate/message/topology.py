"""What must exist at the broker for a service, as plain data. ``writegate apply`` creates it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from writegate.contract.lanes import lane_of
from writegate.contract.service import Service, declared_lanes

DEAD_EXCHANGE = "writes.dead"
ANY = "any"  # the routing key of producers that cannot compute a lane

# From RabbitMQ 4.0 on, a quorum queue counts a delivery for every message that was prefetched when a channel closes,
# and drops messages past its limit (20 by default). Queue arguments cannot be changed later.
DELIVERY_LIMIT = 1000
# A dead-lettered message would be dropped past a limit. Older brokers cannot be told "no limit"; this is the highest.
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
    """``exchange`` routes messages with ``routing_key`` to ``queue``."""

    exchange: str
    queue: str
    routing_key: str


@dataclass(frozen=True, slots=True)
class Topology:
    """All exchanges, queues and bindings of one service."""

    exchanges: tuple[Exchange, ...]
    queues: tuple[Queue, ...]
    bindings: tuple[Binding, ...]


@dataclass(frozen=True, slots=True)
class Route:
    """The exchange and routing key to which a command is published."""

    exchange: str
    routing_key: str


def exchange_name(service: str) -> str:
    """Return the exchange to which a service's commands are published."""
    return f"writes.{service}"


def queue_name(service: str, lane: int) -> str:
    """Return the queue of one lane."""
    return f"writes.{service}.{lane}"


def dead_queue_name(service: str) -> str:
    """Return the queue for messages that the broker gave up delivering."""
    return f"writes.{service}.dead"


def route_of(service: str, key: str | None, lanes: int) -> Route:
    """Return the route of a key, for a service with ``lanes`` lanes."""
    return _lane_route(service, lane_of(key, lanes))


@lru_cache(maxsize=4096)
def _lane_route(service: str, lane: int) -> Route:
    return Route(exchange_name(service), str(lane))


def rerouted(route: Route, key: str | None) -> Route:
    """Return the current route of a command that was published to ``route``.

    Its service may have a different number of lanes by now. The route of a service that this process does not know is
    returned unchanged.
    """
    service = route.exchange.removeprefix(exchange_name(""))
    lanes = declared_lanes().get(service)
    return route if lanes is None or not route.routing_key.isdecimal() else route_of(service, key, lanes)


def topology_of(service: Service, lanes: int | None = None) -> Topology:
    """Return the exchanges, queues and bindings of a service.

    ``lanes``: how many it has now, by default as many as it declares. Routing keys of lanes that do not exist yet are
    bound to existing ones; the writers forward those commands later.
    """
    existing = service.lanes if lanes is None else lanes
    exchange = exchange_name(service.name)
    arguments = {
        "x-queue-type": "quorum",
        "x-single-active-consumer": True,
        "x-delivery-limit": DELIVERY_LIMIT,
        "x-max-length": service.max_waiting,
        "x-max-length-bytes": service.max_waiting_bytes,
        # Required for at-least-once dead-lettering, and so that a full queue refuses instead of dropping.
        "x-overflow": "reject-publish",
        "x-dead-letter-exchange": DEAD_EXCHANGE,
        "x-dead-letter-routing-key": service.name,
        "x-dead-letter-strategy": "at-least-once",
    }
    queues = [queue_name(service.name, lane) for lane in range(existing)]
    dead = dead_queue_name(service.name)
    return Topology(
        exchanges=(Exchange(exchange), Exchange(DEAD_EXCHANGE)),
        queues=(
            *(Queue(name, arguments) for name in queues),
            # Without the last, a policy with a length limit would drop the oldest.
            Queue(
                dead,
                {"x-queue-type": "quorum", "x-delivery-limit": NO_DELIVERY_LIMIT, "x-overflow": "reject-publish"},
            ),
        ),
        bindings=(
            *(Binding(exchange, queues[lane % existing], str(lane)) for lane in range(max(existing, service.lanes))),
            Binding(exchange, queues[0], ANY),
            Binding(DEAD_EXCHANGE, dead, service.name),
        ),
    )
