"""How they change the tables. An account has its own rows, so that the lanes need not wait for each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sqlalchemy import Connection, insert
from sqlalchemy.dialects.postgresql import insert as upsert

from writegate_writer import Writes

from .contract import Book, shards
from .tables import balance, entry

writes = Writes(shards, tables=[entry, balance])


@writes.handler(Book)
def book(connection: Connection, commands: Sequence[Book]) -> None:
    connection.execute(insert(entry), [{"account": one.account, "seq": one.seq} for one in commands])
    totals = Counter(one.account for one in commands)
    adding = upsert(balance)
    adding = adding.on_conflict_do_update(
        index_elements=[balance.c.account], set_={"total": balance.c.total + adding.excluded.total}
    )
    connection.execute(adding, [{"account": account, "total": total} for account, total in totals.items()])
