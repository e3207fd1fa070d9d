"""Rates and estimates of a status."""

from __future__ import annotations

from datetime import UTC, datetime

from writegate_console.gate.connections.budget import ConnectionBudget
from writegate_console.gate.status.model import GateStatus, QueueDepth, lane_statuses, only, throughputs, unknown_names

NOW = datetime(2100, 1, 1, tzinfo=UTC)
LANE = {"service": "flights", "lane": 1, "domain": "flights", "owner": "w1"}


def test_what_waits_is_estimated_by_what_goes_out() -> None:
    lanes = lane_statuses([LANE], {"writes.flights.1": QueueDepth(120, 3.0)})
    row = {"service": "flights", "commands": 600, "batches": 6, "last_commit": NOW}
    [out] = throughputs([row], lanes, 60.0)
    assert (out.out_per_second, out.mean_batch, out.drained_in_seconds) == (10.0, 100.0, 12.0)


def test_nothing_is_estimated_without_a_depth_or_a_rate() -> None:
    idle = {"service": "flights", "commands": 0, "batches": 0, "last_commit": None}
    [unknown] = throughputs([idle], lane_statuses([LANE], {}), 60.0)
    [resting] = throughputs([idle], lane_statuses([LANE], {"writes.flights.1": QueueDepth(5, 0.0)}), 60.0)
    assert (unknown.drained_in_seconds, resting.drained_in_seconds) == (None, None)


def test_both_directions_count_commands() -> None:
    lanes = lane_statuses([LANE], {"writes.flights.1": QueueDepth(120, 3.0)}, commands_per_message={"flights": 50.0})
    row = {"service": "flights", "commands": 9_000, "batches": 6, "last_commit": NOW}
    [out] = throughputs([row], lanes, 60.0, {"flights": 50.0})
    assert (lanes[0].in_per_second, out.out_per_second) == (150.0, 150.0)
    assert (lanes[0].messages, out.drained_in_seconds) == (120, 40.0)


def test_the_oldest_is_of_what_writers_hold_and_of_what_nobody_consumes() -> None:
    idle = {"service": "flights", "commands": 0, "batches": 0, "last_commit": None}
    lanes = lane_statuses([LANE], {"writes.flights.1": QueueDepth(5, 0.0, 90.0)})
    assert throughputs([idle], lanes, 60.0)[0].oldest_seconds == 90.0
    assert throughputs([idle], lanes, 60.0, oldest_held={"flights": 120.0})[0].oldest_seconds == 120.0
    assert throughputs([idle], lane_statuses([LANE], {}), 60.0)[0].oldest_seconds is None


def status_of(*lanes: tuple[str, int, str, str | None]) -> GateStatus:
    rows = [dict(zip(("service", "lane", "domain", "owner"), lane, strict=True)) for lane in lanes]
    holds = [{"target": target} for target in ("flights key=a", "weather", "table:x.y", "not a target at all")]
    statuses = lane_statuses(rows, {}, holds)
    out = [{"service": name, "commands": 0, "batches": 0, "last_commit": None} for name in ("flights", "weather")]
    return GateStatus(statuses, throughputs(out, statuses, 60.0), [], holds, [], [], ConnectionBudget(5, 5), None)


def test_a_domain_without_a_writer_is_named_also_while_it_is_held() -> None:
    status = status_of(
        ("flights", 0, "flights", "w1"), ("weather", 0, "weather.0", None), ("weather", 1, "weather.1", "w1")
    )
    assert [lane.state for lane in status.lanes] == ["serving", "held", "held"]
    assert status.unserved == ["weather.0"]
    assert status.domains == {"w1": ["flights", "weather.1"]}


def test_a_status_of_some_names_has_what_concerns_them() -> None:
    status = status_of(("flights", 0, "both", "w1"), ("flights", 1, "other", "w1"), ("weather", 0, "both", None))
    assert [(lane.service, lane.lane) for lane in only(status, ["flights.1"]).lanes] == [("flights", 1)]
    assert [(lane.service, lane.lane) for lane in only(status, ["both"]).lanes] == [("flights", 0), ("weather", 0)]
    chosen = only(status, ["flights"])
    assert [hold["target"] for hold in chosen.holds] == ["flights key=a", "table:x.y", "not a target at all"]
    assert ([out.service for out in chosen.out], chosen.unserved) == (["flights"], [])
    assert unknown_names(status, ["flights", "flight"]) == ["flight"]
