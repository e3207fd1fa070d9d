"""One table: every move changes two of its rows."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, MetaData, Table

account = Table(
    "account",
    MetaData(schema="transfers"),
    Column("id", Integer, primary_key=True),
    Column("balance", BigInteger),
    Column("moves", BigInteger),
)
