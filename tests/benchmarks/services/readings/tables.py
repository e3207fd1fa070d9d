"""One row a sensor."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, Integer, MetaData, Table

reading = Table(
    "reading",
    MetaData(schema="readings"),
    Column("sensor", Integer, primary_key=True),
    Column("value", Float),
    Column("writes", BigInteger),
)
