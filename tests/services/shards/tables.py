"""As those of `trial`, so that the same checks read them."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Identity, Integer, MetaData, Table, Text

metadata = MetaData(schema="shards")

entry = Table(
    "entry",
    metadata,
    Column("position", BigInteger, Identity(always=True), primary_key=True),
    Column("account", Text),
    Column("seq", Integer),
)
balance = Table("balance", metadata, Column("account", Text, primary_key=True), Column("total", BigInteger))
