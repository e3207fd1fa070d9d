"""The tables of migrations/."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Identity, MetaData, Table, Text

metadata = MetaData(schema="refusing")

entry = Table(
    "entry",
    metadata,
    Column("position", BigInteger, Identity(always=True), primary_key=True),
    Column("account", Text),
    Column("task", Text),
    Column("how", Text),
    Column("sqlstate", Text),
    Column("text", Text),
)
kept = Table("kept", metadata, Column("account", Text, primary_key=True), Column("text", Text))
published = Table("published", metadata, Column("account", Text), Column("text", Text))
