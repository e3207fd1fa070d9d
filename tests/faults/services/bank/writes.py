"""How transfers are made: as a user writes it who never heard of batches, statement by statement."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, insert, select, update

from writegate_writer import Reject, Writes

from .contract import Transfer, bank
from .tables import account, transfer

writes = Writes(bank, tables=[account, transfer])


@writes.handler(Transfer)
def make_transfers(connection: Connection, commands: Sequence[Transfer]) -> None:
    reasons = {}
    for one in commands:
        cents = _balances(connection, one.source, one.target)
        if cents[one.source] < one.cents:
            reasons[one.command_id] = f"account {one.source} has less than {one.cents} cents"
            continue
        # What was read is written: two that did this at the same time would lose one of the changes.
        _set(connection, one.source, cents[one.source] - one.cents)
        _set(connection, one.target, cents[one.target] + one.cents)
        row = {"id": one.command_id, "source": one.source, "target": one.target, "cents": one.cents}
        connection.execute(insert(transfer), row)
    if reasons:
        raise Reject(reasons)


def _balances(connection: Connection, *numbers: int) -> dict[int, int]:
    query = select(account.c.number, account.c.cents).where(account.c.number.in_(numbers))
    return dict(connection.execute(query).tuples().all())


def _set(connection: Connection, number: int, cents: int) -> None:
    connection.execute(update(account).where(account.c.number == number).values(cents=cents))
