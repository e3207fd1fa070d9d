"""TPC-B as pgbench understands it."""

from __future__ import annotations

from random import Random
from typing import Any

from tests.benchmarks.services.tpcb.contract import Transact1, Transact50
from tests.benchmarks.services.tpcb.writes import writes
from tests.benchmarks.workloads.base import Statement, Totals, Workload

_MOST, _TOO_MUCH = 5000, 5001


def tpcb(scale: int) -> Workload:
    """Return the workload of a scale: a branch, ten tellers and 100,000 accounts for each one."""
    kind = Transact1 if scale == 1 else Transact50
    schema = schema_of(scale)

    def command(random: Random, bad: bool, note: str) -> Transact1:
        uniform = random.random
        return kind(
            account=int(uniform() * 100_000 * scale) + 1,
            teller=int(uniform() * 10 * scale) + 1,
            branch=int(uniform() * scale) + 1,
            delta=_TOO_MUCH if bad else int(uniform() * (2 * _MOST + 1)) - _MOST,
            note=note,
        )

    history = (
        f"insert into {schema}.pgbench_history (tid, bid, aid, delta, mtime, filler) "
        "values (%s, %s, %s, %s, current_timestamp, %s)"
    )

    def statements(command: Any) -> list[Statement]:
        accounts, tellers, branches = (f"{schema}.pgbench_{name}" for name in ("accounts", "tellers", "branches"))
        return [
            (f"update {accounts} set abalance = abalance + %s where aid = %s", (command.delta, command.account)),
            (f"select abalance from {accounts} where aid = %s", (command.account,)),
            (f"update {tellers} set tbalance = tbalance + %s where tid = %s", (command.delta, command.teller)),
            (f"update {branches} set bbalance = bbalance + %s where bid = %s", (command.delta, command.branch)),
            (history, (command.teller, command.branch, command.account, command.delta, command.note)),
        ]

    return Workload(
        name=f"tpcb-{scale}",
        writes=writes,
        command=command,
        statements=statements,
        effects=f"select count(*) from {schema}.pgbench_history",
        reset=f"truncate {schema}.pgbench_history;vacuum {schema}.pgbench_branches; vacuum {schema}.pgbench_tellers",
        # The accounts of scale 50 are too many to add up after every run.
        totals=f"select (select sum(bbalance) from {schema}.pgbench_branches), "
        f"(select sum(tbalance) from {schema}.pgbench_tellers), "
        f"(select coalesce(sum(delta), 0) from {schema}.pgbench_history)",
        agree=_balanced,
    )


def schema_of(scale: int) -> str:
    """Return where the tables of a scale are."""
    return f"tpcb_{scale}"


def _balanced(change: Totals) -> bool:
    branches, tellers, history = change
    return branches == tellers == history
