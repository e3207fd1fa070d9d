"""Its handler locks balances in the opposite order of `trial`'s: two domains at these rows would deadlock."""

from __future__ import annotations

import os
from collections.abc import Sequence

from sqlalchemy import BigInteger, Column, Connection, Integer, MetaData, Table, Text, insert, update

from writegate_writer import Writes

from .contract import Note, partner

SHARES = os.environ.get("PARTNER_SHARES") == "1"
note = Table("note", MetaData(schema="partner"), Column("account", Text), Column("seq", Integer))
balance = Table("balance", MetaData(schema="trial"), Column("account", Text), Column("total", BigInteger))
writes = Writes(partner, tables=[note, balance] if SHARES else [note])


@writes.handler(Note)
def take_note(connection: Connection, commands: Sequence[Note]) -> None:
    connection.execute(insert(note), [{"account": one.account, "seq": one.seq} for one in commands])
    if SHARES:
        for account in sorted({one.account for one in commands}, reverse=True):
            connection.execute(update(balance).where(balance.c.account == account).values(total=balance.c.total))
