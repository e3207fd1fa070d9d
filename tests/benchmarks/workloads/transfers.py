"""Transfers between two random accounts: of 50, where everybody meets everybody, or of 100,000."""

from __future__ import annotations

from random import Random
from typing import Any

from tests.benchmarks.services.transfers.contract import Move
from tests.benchmarks.services.transfers.writes import writes
from tests.benchmarks.workloads.base import Statement, Totals, Workload

_ACCOUNTS = 100_000
_TOO_MUCH = 10**15


def transfers(name: str, accounts: int) -> Workload:
    """Return transfers among the first ``accounts`` accounts."""

    def command(random: Random, bad: bool, _: str) -> Move:
        source = int(random.random() * accounts) + 1
        target = (source + int(random.random() * (accounts - 1))) % accounts + 1
        return Move(source=source, target=target, amount=_TOO_MUCH if bad else int(random.random() * 100) + 1)

    return Workload(
        name=name,
        writes=writes,
        command=command,
        statements=_statements,
        effects="select sum(moves) / 2 from transfers.account",
        reset="vacuum transfers.account",
        populate=(f"insert into transfers.account (id) select generate_series(1, {_ACCOUNTS})",),
        totals="select sum(balance) from transfers.account",
        agree=_nothing_made,
    )


def _statements(command: Any) -> list[Statement]:
    change = "update transfers.account set balance = balance + %s, moves = moves + 1 where id = %s"
    return [(change, (-command.amount, command.source)), (change, (command.amount, command.target))]


def _nothing_made(change: Totals) -> bool:
    return change == (0,)
