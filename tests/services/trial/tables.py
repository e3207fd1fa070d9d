"""The tables of migrations/ that the handlers may change. There are others, which they may not."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Identity, Integer, MetaData, Table, Text

metadata = MetaData(schema="trial")

entry = Table(
    "entry",
    metadata,
    Column("position", BigInteger, Identity(always=True), primary_key=True),
    Column("account", Text),
    Column("seq", Integer),
    Column("amount", Integer),
)
step = Table(
    "step",
    metadata,
    Column("position", BigInteger, Identity(always=True), primary_key=True),
    Column("id", Text),
    Column("account", Text),
    Column("stream", Text),
    Column("seq", Integer),
    Column("bad", Boolean),
)
balance = Table("balance", metadata, Column("account", Text, primary_key=True), Column("total", BigInteger))
member = Table("member", metadata, Column("account", Text, primary_key=True), Column("address", Text))
script = Table("script", metadata, Column("name", Text, primary_key=True), Column("sql", Text))
