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
    for command in commands:
        cents = _balances(connection, command.source, command.target)
        if cents[command.source] < command.cents:
            reasons[command.command_id] = f"account {command.source} has less than {command.cents} cents"
            continue
        # What was read is written: two that did this at the same time would lose one of the changes.
        _set(connection, command.source, cents[command.source] - command.cents)
        _set(connection, command.target, cents[command.target] + command.cents)
        row = {"id": command.command_id, "source": command.source, "target": command.target, "cents": command.cents}
        connection.execute(insert(transfer), row)
    if reasons:
        raise Reject(reasons)


def _balances(connection: Connection, *numbers: int) -> dict[int, int]:
    query = select(account.c.number, account.c.cents).where(account.c.number.in_(numbers))
    return dict(connection.execute(query).tuples().all())


def _set(connection: Connection, number: int, cents: int) -> None:
    connection.execute(update(account).where(account.c.number == number).values(cents=cents))
