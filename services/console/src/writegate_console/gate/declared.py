"""What services and domains declare, as `writegate apply` recorded it: command types, tables, retention."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from writegate_console.gate.database import Database

_SERVICE = """
SELECT tasks, retention::text AS retention, (
    SELECT array_agg(DISTINCT t.path ORDER BY t.path) FROM writegate.lane l
    JOIN writegate.domain d ON d.name = l.domain CROSS JOIN LATERAL unnest(d.tables) t (path) WHERE l.service = s.name
) AS tables
FROM writegate.service s WHERE name = %(service)s
"""
_DOMAINS = "SELECT name, tables FROM writegate.domain"


@dataclass(frozen=True, slots=True)
class DeclaredService:
    """What a service declares. ``tables``: of its domains; ``retention``: for how long duplicates are recognised."""

    tasks: Sequence[str] = ()
    tables: Sequence[str] = ()
    retention: str | None = None


def declared_service(database: Database, name: str) -> DeclaredService:
    """Return what a service declares; nothing when `writegate apply` has not recorded it."""
    rows = database.all(_SERVICE, {"service": name})
    return (
        DeclaredService(rows[0]["tasks"], rows[0]["tables"] or (), rows[0]["retention"]) if rows else DeclaredService()
    )


def domain_tables(database: Database) -> Mapping[str, Sequence[str]]:
    """Return the tables of each domain."""
    return {row["name"]: row["tables"] for row in database.all(_DOMAINS)}
