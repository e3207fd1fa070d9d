"""How they change the tables. Nothing here makes an effect exactly-once: that is the writer's part."""

from __future__ import annotations

import itertools
import os
import re
import signal
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from sqlalchemy import Connection, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import DeclarativeBase, Session

from writegate_writer import Decline, Reject, Writes, emit, rows

from .contract import (
    Agree,
    Careful,
    Choose,
    Deposit,
    Draw,
    Enrol,
    Nest,
    Once,
    Renamed,
    Run,
    Spend,
    Split,
    Step,
    Wreck,
    trial,
)
from .tables import balance, entry, member, metadata, script, step

writes = Writes(trial, tables=[entry, step, balance, member, script])
BOOKS = (entry, balance)


@writes.handler(Deposit, tables=BOOKS)
def deposit(connection: Connection, commands: Sequence[Deposit]) -> dict[str, dict[str, int]]:
    _book(connection, [(one.account, one.seq, one.amount) for one in commands])
    return {one.command_id: {"booked": one.amount} for one in commands}


@writes.handler(Careful, tables=BOOKS)
def careful(connection: Connection, commands: Sequence[Careful]) -> None:
    _book(connection, [(one.account, one.seq, one.amount) for one in commands])


@writes.handler(Choose, tables=BOOKS)
def choose(connection: Connection, commands: Sequence[Choose]) -> None:
    _book(connection, [(one.account, one.seq, 1) for one in commands])
    if reasons := {one.command_id: one.reason for one in commands if one.reason is not None}:
        raise Reject(reasons)


@writes.handler(Agree, tables=BOOKS)
def agree(connection: Connection, commands: Sequence[Agree]) -> None:
    _book(connection, [(one.account, one.seq, 1) for one in commands])
    if reasons := {one.command_id: one.no for one in commands if one.no is not None}:
        raise Decline(reasons)


@writes.each(Spend, tables=BOOKS)
def spend(connection: Connection, command: Spend) -> dict[str, int]:
    """Write first, and look then: what was written must not stay when it is declined."""
    connection.execute(insert(entry).values(account=command.account, seq=0, amount=command.amount))
    emit(Deposit(account=f"{command.account} spent", seq=0, amount=command.amount), parent=command)
    less = update(balance).where(balance.c.account == command.account).values(total=balance.c.total - command.amount)
    left = connection.scalar(less.returning(balance.c.total))
    if left is None or left < 0:
        raise Decline(f"{command.amount} is more than there is")
    return {"left": left}


writes.add(
    Draw,
    rows.increment(
        balance, by={"total": "total"}, where=lambda row, given: row.total + given.total >= 0, reason="not that much"
    ),
)
writes.add(Enrol, rows.insert(member, decline_on="conflict", reason="the address is taken"))


class Base(DeclarativeBase):
    """Of tables that are mapped to classes."""

    metadata = metadata


class Entry(Base):
    """A row of the table."""

    __table__ = entry


@writes.each(Nest, tables=BOOKS)
def nest(connection: Connection, command: Nest) -> None:
    with Session(connection) as session:
        nested = session.begin_nested()
        session.add(Entry(account=command.account, seq=command.seq, amount=1))
        session.flush()
        if command.undo:
            nested.rollback()
        else:
            nested.commit()
        session.add(Entry(account=command.account, seq=command.seq + 1, amount=1))
        session.commit()


@writes.handler(Once, tables=BOOKS)
def once(connection: Connection, commands: Sequence[Once]) -> None:
    _book(connection, [(one.account, one.seq, 1) for one in commands])


@writes.handler(Step, tables=[step])
def note(connection: Connection, commands: Sequence[Step]) -> None:
    connection.execute(insert(step), [{"id": one.command_id, **one.model_dump()} for one in commands])


@writes.handler(Renamed, tables=BOOKS)
def renamed(connection: Connection, commands: Sequence[Renamed]) -> None:
    _book(connection, [(one.account, one.seq, one.amount) for one in commands])


@writes.each(Split)
def split(connection: Connection, command: Split) -> None:
    for seq in range(command.first, command.first + command.count):
        emit(Deposit(account=command.into, seq=seq), parent=command)


@writes.each(Run)
def run(connection: Connection, command: Run) -> None:
    # A name that is not there is a KeyError, as a handler with a bug would raise it.
    scripts = dict(iter(connection.execute(select(script.c.name, script.c.sql))))
    connection.execute(text(scripts[command.name]))


_WAYS: dict[str, Callable[[], object]] = {
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "exit": lambda: os._exit(1),
    "sleep": lambda: threading.Event().wait(),
    "loop": lambda: any(number < 0 for number in itertools.count()),
    "match": lambda: re.match("(a*)*b", "a" * 99),  # it would take ages, and lets no other thread run
}


@writes.each(Wreck)
def wreck(connection: Connection, command: Wreck) -> None:
    if not (command.unless and Path(command.unless).exists()):
        if command.unless:
            Path(f"{command.unless}-reached").touch()
        _WAYS[command.how]()
    _book(connection, [(command.account, command.seq, 1)])


def _book(connection: Connection, entries: Sequence[tuple[str, int, int]]) -> None:
    rows = [{"account": account, "seq": seq, "amount": amount} for account, seq, amount in entries]
    connection.execute(insert(entry), rows)
    totals: Counter[str] = Counter()
    for account, _, amount in entries:
        totals[account] += amount
    adding = upsert(balance)
    adding = adding.on_conflict_do_update(
        index_elements=[balance.c.account], set_={"total": balance.c.total + adding.excluded.total}
    )
    connection.execute(adding, [{"account": account, "total": total} for account, total in totals.items()])
