"""pgbench's writes for many commands at once, in one round trip."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import Connection

from writegate_writer import Writes
from writegate_writer.handlers import rows

from .contract import Transact1, Transact50, tpcb
from .tables import SCHEMAS, tables_in

_TRANSACT = """
with given as materialized (
    select * from unnest(%s::int[], %s::int[], %s::int[], %s::int[], %s::text[]) as g (aid, tid, bid, delta, note)
), account as (
    update {schema}.pgbench_accounts a set abalance = abalance + s.delta
    from (select aid, sum(delta) as delta from given group by aid order by aid) s where a.aid = s.aid
), teller as (
    update {schema}.pgbench_tellers t set tbalance = tbalance + s.delta
    from (select tid, sum(delta) as delta from given group by tid order by tid) s where t.tid = s.tid
), branch as (
    update {schema}.pgbench_branches b set bbalance = bbalance + s.delta
    from (select bid, sum(delta) as delta from given group by bid order by bid) s where b.bid = s.bid
)
insert into {schema}.pgbench_history (tid, bid, aid, delta, mtime, filler)
select tid, bid, aid, delta, current_timestamp, note from given
"""

writes = Writes(tpcb, tables=[table for schema in SCHEMAS for table in tables_in(schema)])


def _handler(schema: str) -> Callable[[Connection, Sequence[Transact1]], None]:
    statement = _TRANSACT.format(schema=schema)

    def transact(connection: Connection, commands: Sequence[Transact1]) -> None:
        # The balance that pgbench reads back is left out: nobody waits for an answer here.
        columns = ("account", "teller", "branch", "delta", "note")
        connection.exec_driver_sql(
            statement, tuple(rows.array(getattr(command, name) for command in commands) for name in columns)
        )

    return transact


writes.add(Transact1, _handler(SCHEMAS[0]))
writes.add(Transact50, _handler(SCHEMAS[1]))
