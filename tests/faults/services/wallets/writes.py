"""How wallets change: many commands with few statements."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sqlalchemy import Connection, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert

from writegate_writer import Reject, Writes

from .contract import Deposit, Withdraw, wallets
from .tables import movement, wallet

writes = Writes(wallets, tables=[wallet, movement])


@writes.handler(Deposit)
def deposit(connection: Connection, commands: Sequence[Deposit]) -> None:
    _move(connection, [(command.wallet, command.seq, command.cents) for command in commands])


@writes.handler(Withdraw)
def withdraw(connection: Connection, commands: Sequence[Withdraw]) -> None:
    names = {command.wallet for command in commands}
    left = dict(
        connection.execute(select(wallet.c.name, wallet.c.cents).where(wallet.c.name.in_(names))).tuples().all()
    )
    reasons = {}
    for command in commands:
        if left.get(command.wallet, 0) < command.cents:
            reasons[command.command_id] = f"wallet {command.wallet} has less than {command.cents} cents"
        else:
            left[command.wallet] -= command.cents
    if reasons:
        raise Reject(reasons)
    _move(connection, [(command.wallet, command.seq, -command.cents) for command in commands])


def _move(connection: Connection, moves: Sequence[tuple[str, int, int]]) -> None:
    connection.execute(insert(movement), [{"wallet": name, "seq": seq, "cents": cents} for name, seq, cents in moves])
    totals: Counter[str] = Counter()
    for name, _, cents in moves:
        totals[name] += cents
    adding = upsert(wallet)
    adding = adding.on_conflict_do_update(
        index_elements=[wallet.c.name], set_={"cents": wallet.c.cents + adding.excluded.cents}
    )
    connection.execute(adding, [{"name": name, "cents": cents} for name, cents in sorted(totals.items())])
