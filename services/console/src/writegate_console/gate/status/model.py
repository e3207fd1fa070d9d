"""What `writegate status` shows, from rows of the database and queues of the broker. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from writegate_console.gate.connections.budget import ConnectionBudget
from writegate_console.gate.database import Row


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """Messages in a queue, ready and unacknowledged, and how many arrive a second."""

    messages: int
    in_per_second: float


@dataclass(frozen=True, slots=True)
class LaneStatus:
    """One lane. ``messages`` and ``in_per_second`` are None when the broker was not asked or has no such queue."""

    service: str
    lane: int
    domain: str
    owner: str | None
    messages: int | None
    in_per_second: float | None


@dataclass(frozen=True, slots=True)
class ServiceThroughput:
    """What a service's batches did in the last seconds. ``drained_in_seconds``: what waits, divided by the rate.

    A quorum queue does not say how old its oldest message is. In a steady state the oldest has waited about as long as
    it takes to drain the queue: an estimate, None when nothing is known or nothing was applied. A message may hold many
    commands, so the estimate is rather too low.
    """

    service: str
    out_per_second: float
    mean_batch: float | None
    last_commit: datetime | None
    drained_in_seconds: float | None


@dataclass(frozen=True, slots=True)
class GateStatus:
    """The whole gate. ``broker``: why there are no depths, None when there are."""

    lanes: Sequence[LaneStatus]
    out: Sequence[ServiceThroughput]
    holds: Sequence[Row]
    parked: Sequence[Row]
    deferred: Sequence[Row]
    writers: ConnectionBudget
    broker: str | None


def lane_statuses(rows: Sequence[Row], depths: Mapping[str, QueueDepth]) -> list[LaneStatus]:
    """Return the lanes with their depths. ``depths``: by queue name."""
    found = []
    for row in rows:
        depth = depths.get(f"writes.{row['service']}.{row['lane']}")
        messages, rate = (None, None) if depth is None else (depth.messages, depth.in_per_second)
        found.append(LaneStatus(row["service"], row["lane"], row["domain"], row["owner"], messages, rate))
    return found


def throughputs(rows: Sequence[Row], lanes: Sequence[LaneStatus], seconds: float) -> list[ServiceThroughput]:
    """Return what each service's batches did in the last ``seconds``."""
    found = []
    for row in rows:
        rate = row["commands"] / seconds
        waiting = [lane.messages for lane in lanes if lane.service == row["service"] and lane.messages is not None]
        mean = row["commands"] / row["batches"] if row["batches"] else None
        drained = sum(waiting) / rate if waiting and rate else (0.0 if waiting and not sum(waiting) else None)
        found.append(ServiceThroughput(row["service"], rate, mean, row["last_commit"], drained))
    return found
