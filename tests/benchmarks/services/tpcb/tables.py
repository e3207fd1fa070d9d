"""pgbench's tables, in a schema for each scale."""

from __future__ import annotations

from sqlalchemy import Column, Integer, MetaData, String, Table

SCHEMAS = ("tpcb_1", "tpcb_50")


def tables_in(schema: str) -> list[Table]:
    """Return the four tables of one scale."""
    metadata = MetaData(schema=schema)
    return [
        Table("pgbench_accounts", metadata, Column("aid", Integer, primary_key=True), Column("abalance", Integer)),
        Table("pgbench_tellers", metadata, Column("tid", Integer, primary_key=True), Column("tbalance", Integer)),
        Table("pgbench_branches", metadata, Column("bid", Integer, primary_key=True), Column("bbalance", Integer)),
        Table("pgbench_history", metadata, Column("delta", Integer), Column("filler", String(22))),
    ]
