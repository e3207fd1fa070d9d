"""What `writegate status` shows, from rows of the database and queues of the broker. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from writegate_console.gate.budget import Budget

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Depth:
    """Messages in a queue, ready and unacknowledged, and those that come a second."""

    messages: int
    in_per_second: float


@dataclass(frozen=True, slots=True)
class Lane:
    """One lane. ``messages`` and ``in_per_second`` are None when the broker was not asked or has no such queue."""

    service: str
    lane: int
    domain: str
    owner: str | None
    messages: int | None
    in_per_second: float | None


@dataclass(frozen=True, slots=True)
class Out:
    """What a service's batches did in the last minute. ``drained_in_seconds``: what waits, at that rate.

    Nobody can ask a quorum queue for its oldest message. In a steady state the oldest has waited about as long as it
    takes to drain the queue: an estimate, None when nothing is known or nothing was applied. A message may hold many
    commands, so it is rather too low.
    """

    service: str
    out_per_second: float
    mean_batch: float | None
    last_commit: datetime | None
    drained_in_seconds: float | None


@dataclass(frozen=True, slots=True)
class Screen:
    """One screen. ``broker`` says why there are no depths, when there are none."""

    lanes: Sequence[Lane]
    out: Sequence[Out]
    holds: Sequence[Row]
    parked: Sequence[Row]
    deferred: Sequence[Row]
    writers: Budget
    broker: str | None


def lanes_of(rows: Sequence[Row], depths: Mapping[str, Depth]) -> list[Lane]:
    """Return the lanes with their depths, which are by queue name."""
    found = []
    for row in rows:
        depth = depths.get(f"writes.{row['service']}.{row['lane']}")
        messages, rate = (None, None) if depth is None else (depth.messages, depth.in_per_second)
        found.append(Lane(row["service"], row["lane"], row["domain"], row["owner"], messages, rate))
    return found


def out_of(rows: Sequence[Row], lanes: Sequence[Lane], seconds: float) -> list[Out]:
    """Return what each service's batches did in the last ``seconds``."""
    found = []
    for row in rows:
        rate = row["commands"] / seconds
        known = [one.messages for one in lanes if one.service == row["service"] and one.messages is not None]
        mean = row["commands"] / row["batches"] if row["batches"] else None
        drained = sum(known) / rate if known and rate else (0.0 if known and not sum(known) else None)
        found.append(Out(row["service"], rate, mean, row["last_commit"], drained))
    return found
