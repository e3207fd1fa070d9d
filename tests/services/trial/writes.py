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

from sqlalchemy import Connection, insert, select, text
from sqlalchemy.dialects.postgresql import insert as upsert

from writegate_writer import Reject, Writes, emit

from .contract import Careful, Choose, Deposit, Once, Renamed, Run, Split, Step, Wreck, trial
from .tables import balance, entry, script, step

writes = Writes(trial, tables=[entry, step, balance, script])
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
