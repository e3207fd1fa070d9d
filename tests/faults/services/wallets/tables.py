"""The wallets' tables."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Identity, Integer, MetaData, Table, Text

metadata = MetaData(schema="wallets")

wallet = Table("wallet", metadata, Column("name", Text, primary_key=True), Column("cents", BigInteger))
movement = Table(
    "movement",
    metadata,
    Column("position", BigInteger, Identity(always=True), primary_key=True),
    Column("wallet", Text),
    Column("seq", Integer),
    Column("cents", BigInteger),
)
