"""The tables that an action may change: `apply` grants no more on them than what is listed there."""

from __future__ import annotations

from sqlalchemy import MetaData, Table

_metadata = MetaData(schema="writegate")
NAMES = ("audit", "deferred", "domain", "hold", "parked", "removal")
TABLES = tuple(Table(name, _metadata) for name in NAMES)
