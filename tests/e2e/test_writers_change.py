"""Writers come and go under load: an even share each time, order and effects exact, connections bounded."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from tests.deadlines import patient
from tests.faults.budget import Budget
from tests.integration.gate import Gate, gate_running
from tests.integration.load import Load
from tests.servers import Servers
from tests.services.shards.contract import Book

NAMES = ("writer-1", "writer-2", "writer-3", "writer-4")
PACE_SECONDS = 0.1  # about 800 commands a second in all: the machine shall not be what is tried
TAKE_OVER_SECONDS = patient(10)
LEASE_SECONDS = 6.0  # the default


@pytest.fixture(scope="module")
def gate(servers: Servers) -> Iterator[Gate]:
    with gate_running(servers, "gate_change", connections=8) as running:
        yield running


@contextmanager
def loaded(gate: Gate, name: str) -> Iterator[tuple[Load, Load]]:
    """Load a serial domain and the lanes of a sharded service; check both, and the budget, when the block ends."""
    with ExitStack() as stack:
        stack.enter_context(Budget(gate))
        serial = stack.enter_context(Load(gate, name, PACE_SECONDS))
        sharded = stack.enter_context(Load(gate, name, PACE_SECONDS, Book))
        yield serial, sharded
    for load in (serial, sharded):
        load.check()
    gate.assert_drained()
    gate.assert_drained("shards")
    assert gate.database.value("SELECT count(*) FROM writegate.parked") == 0


def go_on(loads: tuple[Load, Load]) -> None:
    for load in loads:
        load.wait_applied(20)


@pytest.mark.slow
def test_scaling_from_one_to_four_to_two(gate: Gate) -> None:
    gate.writers.start("writer-1", writegate_slots=1)
    with loaded(gate, "scaled") as loads:
        for name in NAMES[1:]:
            gate.writers.start(name, wait=False, writegate_slots=1)
        gate.wait_shared(*NAMES)
        go_on(loads)
        assert [gate.writers.stop(name) for name in NAMES[2:]] == [0, 0]
        gate.wait_shared(*NAMES[:2])
        go_on(loads)


@pytest.mark.long
def test_a_rolling_restart_twice(gate: Gate) -> None:
    names = NAMES[:3]
    for name in names:
        gate.writers.start(name, wait=False, writegate_slots=1)
    gate.wait_shared(*names)
    with loaded(gate, "rolling") as loads:
        for name in (*names, *names):
            assert gate.writers.stop(name) == 0
            go_on(loads)
            gate.writers.start(name, wait=False, writegate_slots=1)
            gate.wait_shared(*names)
            go_on(loads)


@pytest.mark.long
def test_three_times_as_many_writers_as_the_budget_is_for(gate: Gate) -> None:
    """Eight connections are two writers with three slots each; what is too many stands by or makes room."""
    names = [f"writer-{number}" for number in range(1, 7)]
    with Budget(gate):
        for name in names:
            gate.writers.start(name, wait=False, writegate_slots=3)

        def all_served() -> bool:
            served = [domain for writer in gate.writers.values() if writer.alive for domain in writer.serving()]
            count = gate.database.value("SELECT count(*) FROM writegate.domain")
            return bool(len(served) == len(set(served)) == count)

        gate.wait(all_served, "every domain is served once", patient(120))
        assert not any(re.search("WARNING/|ERROR/", writer.log) for writer in gate.writers.values()), "nothing is wrong"
        with loaded(gate, "crowded") as loads:
            go_on(loads)


@pytest.mark.long
def test_a_killed_writers_domains_are_served_again_within_ten_seconds(gate: Gate) -> None:
    names = NAMES[:3]
    settings: dict[str, Any] = {"writegate_slots": 1, "writegate_lease_seconds": LEASE_SECONDS}
    for name in names:
        gate.writers.start(name, wait=False, **settings)
    gate.wait_shared(*names)
    gaps = []
    with loaded(gate, "killed") as loads:
        for _ in range(2):
            victim = str(
                gate.database.value("SELECT split_part(owner, '@', 1) FROM writegate.domain WHERE name = 'trial'")
            )
            began = gate.database.value("SELECT clock_timestamp()")
            gate.writers.kill(victim)
            go_on(loads)
            gaps.append(longest_gap(gate, "trial", began))
            gate.writers.start(victim, wait=False, **settings)
            gate.wait_shared(*names)
            go_on(loads)
    print(f"served again after {', '.join(f'{gap:.1f}' for gap in gaps)} s")  # noqa: T201  a figure for people
    # The better of two: the machine may have been busy with something else.
    assert min(gaps) <= TAKE_OVER_SECONDS


def longest_gap(gate: Gate, domain: str, since: object) -> float:
    """Return the longest time between two batches of a domain, in seconds, by the database's clock."""
    gaps = (
        "SELECT committed_at - lag(committed_at) OVER (ORDER BY committed_at) AS gap FROM writegate.batch "
        "WHERE domain = %s AND committed_at > %s::timestamptz - interval '5 s'"
    )
    return float(
        gate.database.value(f"SELECT extract(epoch FROM max(gap))::float8 FROM ({gaps}) AS gaps", [domain, since])
    )
