"""Many moves at once: the sum of each account's."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from writegate_writer import Writes
from writegate_writer.handlers import rows

from .contract import Move, transfers
from .tables import account

_MOVE = """
with given as (select * from unnest(%s::int[], %s::int[], %s::bigint[]) as g (source, target, amount)),
     change as (
         select id, sum(amount) as amount, count(*) as moves
         from (select source as id, -amount as amount from given union all select target, amount from given) each
         group by id order by id
     )
update transfers.account a set balance = a.balance + change.amount, moves = a.moves + change.moves
from change where a.id = change.id
"""

writes = Writes(transfers, tables=[account])


@writes.handler(Move)
def move(connection: Connection, commands: Sequence[Move]) -> None:
    columns = ("source", "target", "amount")
    connection.exec_driver_sql(
        _MOVE, tuple(rows.array(getattr(command, name) for command in commands) for name in columns)
    )
