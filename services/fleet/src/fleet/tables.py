"""The table that migrations/ creates, for SQLAlchemy Core. The CHECK constraints are only in the migration."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Date, Integer, MetaData, Table, Text

metadata = MetaData(schema="fleet")

airframe = Table(
    "airframe",
    metadata,
    Column("tail", Text, primary_key=True),
    Column("minutes", BigInteger, nullable=False),
    Column("cycles", BigInteger, nullable=False),
    Column("kind", Text),
    Column("manufacturer", Text),
    Column("model", Text),
    Column("engine", Text),
    Column("engines", Integer),
    Column("seats", Integer),
    Column("built", Integer),
    Column("inspections", Integer, nullable=False),
    Column("inspected_on", Date),
    Column("inspector", Text),
)
