"""Rates and estimates of a status."""

from __future__ import annotations

from datetime import UTC, datetime

from writegate_console.gate.status.model import QueueDepth, lane_statuses, throughputs

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
