"""Plain inserts."""

from __future__ import annotations

from random import Random
from typing import Any

from tests.benchmarks.services.events.contract import Record
from tests.benchmarks.services.events.writes import writes
from tests.benchmarks.workloads.base import Statement, Workload

_NOTE, _TOO_LONG = "a note of the usual length, forty letters", "x" * 101


def _command(random: Random, bad: bool, _: str) -> Record:
    return Record(device=int(random.random() * 10_000), value=random.random(), note=_TOO_LONG if bad else _NOTE)


def _statements(command: Any) -> list[Statement]:
    return [
        (
            "insert into events.event (device, value, note) values (%s, %s, %s)",
            (command.device, command.value, command.note),
        ),
    ]


insert = Workload(
    name="insert",
    writes=writes,
    command=_command,
    statements=_statements,
    effects="select count(*) from events.event",
    reset="truncate events.event",
)
