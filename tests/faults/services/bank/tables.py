"""The bank's tables."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Identity, Integer, MetaData, Table, Text

metadata = MetaData(schema="bank")

account = Table("account", metadata, Column("number", Integer, primary_key=True), Column("cents", BigInteger))
transfer = Table(
    "transfer",
    metadata,
    Column("position", BigInteger, Identity(always=True), primary_key=True),
    Column("id", Text),
    Column("source", Integer),
    Column("target", Integer),
    Column("cents", BigInteger),
)
