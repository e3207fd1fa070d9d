"""Services and lanes, as the page lists them."""

from __future__ import annotations

from datetime import UTC, datetime

from writegate_console.gate.connections.budget import ConnectionBudget
from writegate_console.gate.overview.services import service_rows
from writegate_console.gate.status.model import GateStatus, QueueDepth, lane_statuses, throughputs

NOW = datetime(2100, 1, 1, tzinfo=UTC)


def status(holds: list[str], owner: str | None = "w1") -> GateStatus:
    rows = [{"service": "flights", "lane": lane, "domain": "flights", "owner": owner} for lane in range(2)]
    placed = [{"target": target} for target in holds]
    lanes = lane_statuses(rows, {"writes.flights.1": QueueDepth(120, 3.0)}, placed)
    out = throughputs([{"service": "flights", "commands": 600, "batches": 6, "last_commit": NOW}], lanes, 60.0)
    parked = [{"service": "flights", "cause": "23514", "commands": 4, "oldest": NOW}]
    return GateStatus(lanes, out, [], placed, parked, [], ConnectionBudget(5, 5), None)


def test_a_service_is_held_when_a_lane_of_it_is_and_no_writer_is_worse() -> None:
    [row] = service_rows(status(["flights.1", "table:flights.flight"]))
    assert (row.state, [lane.state for lane in row.lanes]) == ("held", ["serving", "held"])
    assert (row.messages, row.parked, row.holds) == (120, 4, ["flights.1"])
    [unserved] = service_rows(status([], owner=None))
    assert unserved.state == "no writer"
