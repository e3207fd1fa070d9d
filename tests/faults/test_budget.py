"""More writers than the budget was planned for, all at once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.deadlines import patient
from tests.faults.budget import Budget
from tests.integration.gate import WRITER, Gate, gate_running
from tests.integration.load import Load
from tests.servers import Servers

CONNECTIONS = 6  # two slots and one for control, for each of two writers
TWICE = tuple(f"writer-{number}" for number in range(4))
PATIENCE_SECONDS = patient(60)


@pytest.fixture
def gate(servers: Servers) -> Iterator[Gate]:
    with gate_running(servers, "budget", CONNECTIONS) as running:
        yield running


def start_all(gate: Gate) -> None:
    for name in TWICE:
        gate.writers.start(name, wait=False)

    def settled() -> bool:
        states = [writer.state() for writer in gate.writers.values()]
        return all(state.get("connections") or state.get("standing_by") for state in states)

    gate.wait(settled, "each has connections or stands by", PATIENCE_SECONDS)


@pytest.mark.slow
def test_twice_as_many_writers_as_planned_start_at_once(gate: Gate) -> None:
    with Budget(gate) as budget:
        start_all(gate)
        with Load(gate, "twice") as load:
            load.wait_applied(20, PATIENCE_SECONDS)
        load.check(PATIENCE_SECONDS)
    assert budget.most > CONNECTIONS // 2
    assert all(writer.alive for writer in gate.writers.values())
    gate.assert_drained()


def start_all_and_wait(gate: Gate, budget: Budget) -> None:
    with budget:
        start_all(gate)
        gate.wait(lambda: budget.most > CONNECTIONS, "more connections than planned", PATIENCE_SECONDS)


@pytest.mark.slow
def test_without_the_limit_of_the_role_they_would_have_more(gate: Gate) -> None:
    gate.database.sql(f"ALTER ROLE {WRITER} CONNECTION LIMIT -1")
    try:
        budget = Budget(gate)
        with pytest.raises(AssertionError, match="connections at once"):
            start_all_and_wait(gate, budget)
        gate.writers.stop_all()
    finally:
        gate.database.sql(f"ALTER ROLE {WRITER} CONNECTION LIMIT {CONNECTIONS}")
