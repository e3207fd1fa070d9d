"""Services that declare tables and no commands, for tests of what is made of the declarations."""

from __future__ import annotations

from sqlalchemy import Column, Integer, MetaData, Table

from writegate import Service
from writegate_writer import Writes


def service(name: str, *tables: str, lanes: int = 1, keys_own_rows: bool = False) -> Writes:
    """A service that declares tables ``schema.name`` and has no commands."""
    metadata = MetaData()
    declared = [
        Table(table.rpartition(".")[2], metadata, Column("id", Integer), schema=table.rpartition(".")[0] or None)
        for table in tables
    ]
    return Writes(Service(name, commands=[], lanes=lanes, keys_own_rows=keys_own_rows), tables=declared)
