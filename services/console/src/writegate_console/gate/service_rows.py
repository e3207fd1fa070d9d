"""Services and their lanes, as the page lists them, from what `writegate status` knows. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeVar

from writegate.contract.targets import parse
from writegate.errors import WritegateError
from writegate_console.gate.database import Row
from writegate_console.gate.status.screen import Lane, Screen

N = TypeVar("N", int, float)
State = Literal["held", "no writer", "serving"]


@dataclass(frozen=True, slots=True)
class LaneRow:
    """One lane. ``hold``: the target of the hold that stops it."""

    lane: int
    domain: str
    state: State
    owner: str | None
    messages: int | None
    in_per_second: float | None
    hold: str | None


@dataclass(frozen=True, slots=True)
class ServiceRow:
    """One service. ``holds``: of everything that belongs to it, but for tables, which belong to domains."""

    service: str
    state: State
    owners: Sequence[str]
    lanes: Sequence[LaneRow]
    messages: int | None
    in_per_second: float | None
    out_per_second: float
    mean_batch: float | None
    last_commit: datetime | None
    drained_in_seconds: float | None
    parked: int
    deferred: int
    holds: Sequence[str]


def rows_of(screen: Screen) -> list[ServiceRow]:
    """Return all services: those that need somebody first, then by what they do."""
    held: dict[str, list[str]] = {}
    for row in screen.holds:
        held.setdefault(_service_of(row["target"]), []).append(row["target"])
    parked, deferred = _counted(screen.parked), _counted(screen.deferred)
    lanes: dict[str, list[Lane]] = {}
    for lane in screen.lanes:
        lanes.setdefault(lane.service, []).append(lane)
    found = []
    for out in screen.out:
        holds = held.get(out.service, [])
        rows = [_lane(lane, holds) for lane in lanes.get(out.service, [])]
        found.append(
            ServiceRow(
                service=out.service,
                state=_worst(rows),
                owners=sorted({row.owner for row in rows if row.owner}),
                lanes=rows,
                messages=_sum([row.messages for row in rows]),
                in_per_second=_sum([row.in_per_second for row in rows]),
                out_per_second=out.out_per_second,
                mean_batch=out.mean_batch,
                last_commit=out.last_commit,
                drained_in_seconds=out.drained_in_seconds,
                parked=parked.get(out.service, 0),
                deferred=deferred.get(out.service, 0),
                holds=holds,
            )
        )
    return sorted(found, key=lambda one: (one.state == "serving", -(one.messages or 0) - one.parked, one.service))


def _lane(lane: Lane, holds: Sequence[str]) -> LaneRow:
    hold = next((one for one in (lane.service, f"{lane.service}.{lane.lane}") if one in holds), None)
    state: State = "held" if hold else "serving" if lane.owner else "no writer"
    return LaneRow(lane.lane, lane.domain, state, lane.owner, lane.messages, lane.in_per_second, hold)


def _worst(rows: Sequence[LaneRow]) -> State:
    states = {row.state for row in rows}
    return "no writer" if "no writer" in states else "held" if "held" in states else "serving"


def _service_of(target: str) -> str:
    try:
        return parse(target).service or ""
    except WritegateError:
        return ""


def _counted(rows: Sequence[Row]) -> Mapping[str, int]:
    found: dict[str, int] = {}
    for row in rows:
        found[row["service"]] = found.get(row["service"], 0) + row["commands"]
    return found


def _sum(values: Sequence[N | None]) -> N | None:
    known = [value for value in values if value is not None]
    return sum(known[1:], start=known[0]) if known else None
