"""Services and their lanes, as the page lists them, from what `writegate status` knows. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from writegate.contract.targets import parse
from writegate.errors import WritegateError
from writegate_console.gate.database import Row
from writegate_console.gate.status.model import GateStatus, LaneStatus, ServingState

N = TypeVar("N", int, float)


@dataclass(frozen=True, slots=True)
class LaneRow:
    """One lane. ``hold``: the target of the hold that stops it."""

    lane: int
    domain: str
    state: ServingState
    owner: str | None
    messages: int | None
    in_per_second: float | None
    hold: str | None


@dataclass(frozen=True, slots=True)
class ServiceRow:
    """One service. ``holds``: on all that belongs to it, except on tables, which belong to domains."""

    service: str
    state: ServingState
    owners: Sequence[str]
    lanes: Sequence[LaneRow]
    messages: int | None
    in_per_second: float | None
    out_per_second: float
    mean_batch: float | None
    last_commit: datetime | None
    oldest_seconds: float | None
    drained_in_seconds: float | None
    parked: int
    deferred: int
    holds: Sequence[str]


def service_rows(status: GateStatus) -> list[ServiceRow]:
    """Return all services: first those that do not serve, then those with most messages and parked commands."""
    held: dict[str, list[str]] = {}
    for row in status.holds:
        held.setdefault(_service_of(row["target"]), []).append(row["target"])
    parked, deferred = _commands_by_service(status.parked), _commands_by_service(status.deferred)
    lanes: dict[str, list[LaneStatus]] = {}
    for lane in status.lanes:
        lanes.setdefault(lane.service, []).append(lane)
    found = []
    for throughput in status.out:
        holds = held.get(throughput.service, [])
        rows = [_lane_row(lane, holds) for lane in lanes.get(throughput.service, [])]
        found.append(
            ServiceRow(
                service=throughput.service,
                state=_worst_state(rows),
                owners=sorted({row.owner for row in rows if row.owner}),
                lanes=rows,
                messages=_sum([row.messages for row in rows]),
                in_per_second=_sum([row.in_per_second for row in rows]),
                out_per_second=throughput.out_per_second,
                mean_batch=throughput.mean_batch,
                last_commit=throughput.last_commit,
                oldest_seconds=throughput.oldest_seconds,
                drained_in_seconds=throughput.drained_in_seconds,
                parked=parked.get(throughput.service, 0),
                deferred=deferred.get(throughput.service, 0),
                holds=holds,
            )
        )
    return sorted(found, key=lambda row: (row.state == "serving", -(row.messages or 0) - row.parked, row.service))


def _lane_row(lane: LaneStatus, holds: Sequence[str]) -> LaneRow:
    hold = next((target for target in (lane.service, f"{lane.service}.{lane.lane}") if target in holds), None)
    return LaneRow(lane.lane, lane.domain, lane.state, lane.owner, lane.messages, lane.in_per_second, hold)


def _worst_state(rows: Sequence[LaneRow]) -> ServingState:
    states = {row.state for row in rows}
    return "no writer" if "no writer" in states else "held" if "held" in states else "serving"


def _service_of(target: str) -> str:
    try:
        return parse(target).service or ""
    except WritegateError:
        return ""


def _commands_by_service(rows: Sequence[Row]) -> Mapping[str, int]:
    found: dict[str, int] = {}
    for row in rows:
        found[row["service"]] = found.get(row["service"], 0) + row["commands"]
    return found


def _sum(values: Sequence[N | None]) -> N | None:
    known = [value for value in values if value is not None]
    return sum(known[1:], start=known[0]) if known else None
