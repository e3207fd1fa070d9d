"""The set-based handlers of the writer, without the writer."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from tests.benchmarks.workloads import Workload
from writegate import Command, contract_of


def run_handlers(connection: Connection, workload: Workload, commands: Sequence[Command]) -> None:
    """Run each type's handler once, in the transaction that is open."""
    of_type: dict[str, list[Command]] = {}
    for command in commands:
        of_type.setdefault(contract_of(command).task, []).append(command)
    for task, those in of_type.items():
        workload.writes.handlers[task](connection, those)
