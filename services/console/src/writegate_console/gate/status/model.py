"""What `writegate status` shows, from rows of the database and queues of the broker. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from writegate.contract.targets import TargetError, parse
from writegate.message.policies import Harm
from writegate.message.topology import queue_name
from writegate_console.gate.connections.budget import ConnectionBudget
from writegate_console.gate.database import Row

ServingState = Literal["serving", "held", "no writer"]
# Nothing is known of any service: a message then counts as one command.
_UNKNOWN: Mapping[str, float] = {}


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """Messages in a queue, ready and unacknowledged, and how many arrive a second.

    ``oldest_seconds``: for how long the oldest of a queue that nobody consumes has waited at least. ``harms``: what
    policies of the broker can lose of it.
    """

    messages: int
    in_per_second: float
    oldest_seconds: float | None = None
    harms: tuple[Harm, ...] = ()


@dataclass(frozen=True, slots=True)
class LaneStatus:
    """One lane. What the broker knows is None when it was not asked or has no such queue.

    ``messages`` each hold one or many commands. ``in_per_second``: commands, as many as the writers found in the last
    messages of the service. ``oldest_seconds``: of a lane that nobody consumes.
    """

    service: str
    lane: int
    domain: str
    state: ServingState
    owner: str | None
    messages: int | None
    in_per_second: float | None
    oldest_seconds: float | None


@dataclass(frozen=True, slots=True)
class ServiceThroughput:
    """What a service's batches did in the last seconds, in commands.

    ``oldest_seconds``: how long the oldest waiting message has waited, of those that writers hold and of those that
    nobody consumes. ``drained_in_seconds``: what waits, divided by the rate; None when nothing is known or applied.
    """

    service: str
    out_per_second: float
    mean_batch: float | None
    last_commit: datetime | None
    oldest_seconds: float | None
    drained_in_seconds: float | None


@dataclass(frozen=True, slots=True)
class GateStatus:
    """The whole gate.

    ``stopped``: domains that are not served though they have an owner. ``broker``: why there are no depths, None when
    there are. ``policies``: those of the broker that can lose commands.
    """

    lanes: Sequence[LaneStatus]
    out: Sequence[ServiceThroughput]
    stopped: Sequence[Row]
    holds: Sequence[Row]
    parked: Sequence[Row]
    deferred: Sequence[Row]
    writers: ConnectionBudget
    broker: str | None
    policies: Sequence[Harm] = ()

    @property
    def unserved(self) -> list[str]:
        """The domains that no writer owns."""
        return sorted({lane.domain for lane in self.lanes if lane.owner is None})

    @property
    def domains(self) -> Mapping[str, Sequence[str]]:
        """The domains of each writer that has some."""
        owners = {lane.domain: lane.owner for lane in self.lanes if lane.owner is not None}
        return {
            owner: [domain for domain in owners if owners[domain] == owner] for owner in sorted(set(owners.values()))
        }


def lane_statuses(
    rows: Sequence[Row],
    depths: Mapping[str, QueueDepth],
    holds: Sequence[Row] = (),
    commands_per_message: Mapping[str, float] = _UNKNOWN,
) -> list[LaneStatus]:
    """Return the lanes with their depths. ``depths``: by queue name; ``commands_per_message``: by service."""
    held = {hold["target"] for hold in holds}
    found = []
    for row in rows:
        service, lane = row["service"], row["lane"]
        stopped = bool(held & {service, f"{service}.{lane}"})
        state: ServingState = "held" if stopped else "serving" if row["owner"] else "no writer"
        depth = depths.get(queue_name(service, lane))
        messages, oldest = (None, None) if depth is None else (depth.messages, depth.oldest_seconds)
        rate = None if depth is None else depth.in_per_second * commands_per_message.get(service, 1.0)
        found.append(LaneStatus(service, lane, row["domain"], state, row["owner"], messages, rate, oldest))
    return found


def throughputs(
    rows: Sequence[Row],
    lanes: Sequence[LaneStatus],
    seconds: float,
    commands_per_message: Mapping[str, float] = _UNKNOWN,
    oldest_held: Mapping[str, float] = _UNKNOWN,
) -> list[ServiceThroughput]:
    """Return what each service's batches did in the last ``seconds``. ``oldest_held``: of the writers, by service."""
    found = []
    for row in rows:
        service = row["service"]
        rate = row["commands"] / seconds
        of_service = [lane for lane in lanes if lane.service == service]
        waiting = [lane.messages for lane in of_service if lane.messages is not None]
        commands = sum(waiting) * commands_per_message.get(service, 1.0)
        mean = row["commands"] / row["batches"] if row["batches"] else None
        drained = commands / rate if waiting and rate else (0.0 if waiting and not commands else None)
        ages = [lane.oldest_seconds for lane in of_service if lane.oldest_seconds is not None]
        if service in oldest_held:
            ages.append(oldest_held[service])
        found.append(ServiceThroughput(service, rate, mean, row["last_commit"], max(ages, default=None), drained))
    return found


def unknown_names(status: GateStatus, names: Iterable[str]) -> list[str]:
    """Return those of ``names`` that are no service, lane or domain."""
    known = {name for lane in status.lanes for name in _names_of(lane)}
    return [name for name in names if name not in known]


def only(status: GateStatus, names: Iterable[str]) -> GateStatus:
    """Return what a status says of some services, lanes (``flights.0``) or domains."""
    wanted = set(names)
    lanes = [lane for lane in status.lanes if wanted & _names_of(lane)]
    services = {lane.service for lane in lanes}
    return replace(
        status,
        lanes=lanes,
        out=[out for out in status.out if out.service in services],
        stopped=[row for row in status.stopped if row["domain"] in {lane.domain for lane in lanes}],
        holds=[hold for hold in status.holds if _concerns(hold["target"], services)],
        parked=[row for row in status.parked if row["service"] in services],
        deferred=[row for row in status.deferred if row["service"] in services],
    )


def _names_of(lane: LaneStatus) -> set[str]:
    return {lane.service, f"{lane.service}.{lane.lane}", lane.domain}


def _concerns(target: str, services: Iterable[str]) -> bool:
    """Whether a hold may stop one of ``services``: one on a table may stop any, and one that cannot be read as well."""
    try:
        service = parse(target).service
    except TargetError:
        return True
    return service is None or service in services
