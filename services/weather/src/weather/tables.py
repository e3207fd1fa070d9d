"""The table that migrations/ creates, for SQLAlchemy Core. The CHECK constraints are only in the migration."""

from __future__ import annotations

from sqlalchemy import Column, DateTime, Double, MetaData, Table, Text

metadata = MetaData(schema="weather")

observation = Table(
    "observation",
    metadata,
    Column("airport", Text, primary_key=True),
    Column("hour", DateTime(timezone=True), primary_key=True),
    Column("temperature", Double),
    Column("dew_point", Double),
    Column("humidity", Double),
    Column("wind_from", Double),
    Column("wind_speed", Double),
    Column("gusts", Double),
    Column("rain", Double),
    Column("pressure", Double),
    Column("visibility", Double),
)
