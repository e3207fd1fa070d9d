"""The tables that migrations/ creates, for SQLAlchemy Core. The CHECK constraints are only in the migrations."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Date, DateTime, Integer, MetaData, Table, Text

metadata = MetaData(schema="flights")

flight = Table(
    "flight",
    metadata,
    Column("flight", Text, primary_key=True),
    Column("carrier", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("day", Date, nullable=False),
    Column("origin", Text, nullable=False),
    Column("destination", Text, nullable=False),
    Column("distance", Integer, nullable=False),
    Column("scheduled_at", DateTime(timezone=True), nullable=False),
    Column("departed_at", DateTime(timezone=True)),
    Column("departure_delay", Integer),
    Column("tail", Text),
    Column("state", Text, nullable=False),
    Column("arrived_at", DateTime(timezone=True)),
    Column("arrival_delay", Integer),
    Column("air_minutes", Integer),
)


def _totals_of_a_day(owner: str) -> Table:
    return Table(
        f"{owner}_day",
        metadata,
        Column(owner, Text, primary_key=True),
        Column("day", Date, primary_key=True),
        Column("departures", Integer, nullable=False),
        Column("cancelled", Integer, nullable=False),
        Column("departure_delay", BigInteger, nullable=False),
        Column("arrivals", Integer, nullable=False),
        Column("diverted", Integer, nullable=False),
        Column("arrival_delay", BigInteger, nullable=False),
        Column("air_minutes", BigInteger, nullable=False),
    )


airport_day = _totals_of_a_day("airport")
carrier_day = _totals_of_a_day("carrier")
