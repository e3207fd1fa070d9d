"""The benchmarks' own arithmetic, and that every workload's two ways to write fit its commands. No servers."""

from __future__ import annotations

import re
import time
from random import Random

import pytest

from tests.benchmarks.jobs import percentiles
from tests.benchmarks.loads.pgbench import measured
from tests.benchmarks.pace import Schedule, note_of
from tests.benchmarks.systems import SYSTEMS
from tests.benchmarks.workloads import WORKLOADS
from writegate import Command, contract_of

COMMANDS = 200
WANTED = [
    "direct-4",
    "direct-16",
    "direct-64",
    "direct-200",
    "pgbouncer",
    "pgbench",
    "celery",
    "celery-batches",
    "writegate",
    "writegate-many",
    "limit",
]


def test_all_systems_are_there_in_the_order_of_the_tables() -> None:
    assert list(SYSTEMS) == WANTED
    assert all(system.about and set(system.workloads or ()) <= set(WORKLOADS) for system in SYSTEMS.values())


def made(workload: str, *, bad: bool = False) -> list[Command]:
    random = Random(1)
    return [WORKLOADS[workload].command(random, bad, note_of(time.time())) for _ in range(COMMANDS)]


@pytest.mark.parametrize("name", WORKLOADS)
@pytest.mark.parametrize("bad", [False, True], ids=["good", "bad"])
def test_commands_are_what_the_service_takes(name: str, bad: bool) -> None:
    service = WORKLOADS[name].writes.service
    for command in made(name, bad=bad):
        again = service.commands[contract_of(command).task].model_validate(command.model_dump())
        assert again == command, "a bad command is refused by the database and by nothing before it"


@pytest.mark.parametrize("name", WORKLOADS)
def test_every_type_has_a_handler_and_statements(name: str) -> None:
    workload = WORKLOADS[name]
    types = {contract_of(command).task for command in made(name)}
    assert types <= set(workload.writes.handlers)
    tables = {f"{table.schema}.{table.name}" for table in workload.writes.tables}
    for command in made(name):
        statements = workload.statements(command)
        assert statements
        for text, parameters in statements:
            assert text.count("%s") == len(parameters)
            written = re.search(r'(?:update|insert into|from) ([\w."]+)', text)
            assert written is not None
            assert written[1].replace('"', "") in tables


def test_percentiles() -> None:
    assert percentiles([]) == {}
    assert percentiles([7.0]) == {"p50": 7.0, "p95": 7.0, "p99": 7.0, "max": 7.0}
    assert percentiles([float(value) for value in range(100, -1, -1)]) == {
        "p50": 50.0, "p95": 95.0, "p99": 99.0, "max": 100.0,
    }  # fmt: skip


PROCESSED = "number of transactions actually processed: {}\n"
RATE = "latency average = 1.000 ms\ntps = {} (without initial connection time)\n"


def test_a_run_of_pgbench_is_read() -> None:
    assert measured(PROCESSED.format(900) + RATE.format("300.000000"), 2.0) == (900, 3.0)


@pytest.mark.parametrize("output", [PROCESSED.format(0), PROCESSED.format(0) + RATE.format("0.000000")])
def test_a_run_of_pgbench_that_committed_nothing_is_a_rate_of_nothing(output: str) -> None:
    assert measured(output, 2.0) == (0, 2.0)


def test_what_is_no_report_of_pgbench_is_an_error() -> None:
    with pytest.raises(ValueError, match="expected pgbench's report"):
        measured("", 2.0)


def test_a_schedule_has_the_rate_it_was_asked_for() -> None:
    began = time.time()
    schedule = Schedule(rate=1000, seconds=10, seed=1)
    dues = []
    while (due := schedule.take()) is not None:
        dues.append(due)
    assert dues == sorted(dues)
    assert began <= dues[0] <= dues[-1]
    assert dues[-1] < dues[0] + 10
    assert 9500 < len(dues) < 10500, "10,000 on average, 100 more or less usually"
    assert schedule.next is None


def test_a_schedule_gives_only_what_is_due_and_not_more_than_asked_for() -> None:
    future = Schedule(rate=1e-6, seconds=1e9, seed=1)
    assert future.due(10) == []
    past = Schedule(rate=1e9, seconds=1e-4, seed=1)
    assert len(past.due(10)) == 10
