"""One table that grows."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, Identity, Integer, MetaData, Table, Text

event = Table(
    "event",
    MetaData(schema="events"),
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("device", Integer),
    Column("value", Float),
    Column("note", Text),
)
