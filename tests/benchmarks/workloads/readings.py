"""Upserts of 10,000 rows."""

from __future__ import annotations

from random import Random
from typing import Any

from tests.benchmarks.services.readings.contract import Observe
from tests.benchmarks.services.readings.writes import writes
from tests.benchmarks.workloads.base import Statement, Workload

_TOO_MUCH = 2e9
_OBSERVE = """
insert into readings.reading as r (sensor, value, writes) values (%s, %s, 1)
on conflict (sensor) do update set value = excluded.value, writes = r.writes + 1
"""


def _command(random: Random, bad: bool, _: str) -> Observe:
    return Observe(sensor=int(random.random() * 10_000), value=_TOO_MUCH if bad else random.random())


def _statements(command: Any) -> list[Statement]:
    return [(_OBSERVE, (command.sensor, command.value))]


upsert = Workload(
    name="upsert",
    writes=writes,
    command=_command,
    statements=_statements,
    effects="select coalesce(sum(writes), 0)::bigint from readings.reading",
    reset="vacuum readings.reading",
    overwrites=True,
)
