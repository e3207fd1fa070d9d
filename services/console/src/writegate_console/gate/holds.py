"""Holds, as the database has them."""

from __future__ import annotations

from writegate_console.gate.database import Database, Row

_HOLDS = "SELECT target, reason, holder, since, until FROM writegate.hold "
_IN_FORCE = _HOLDS + "WHERE until IS NULL OR until > clock_timestamp() ORDER BY target"


def holds_in_force(database: Database) -> list[Row]:
    """Return the holds that stop something now: ``target``, ``reason``, ``holder``, ``since``, ``until``."""
    return database.all(_IN_FORCE)


def hold_on(database: Database, target: str) -> Row | None:
    """Return the hold on exactly this target, whether it is still in force or not."""
    rows = database.all(_HOLDS + "WHERE target = %(target)s", {"target": target})
    return rows[0] if rows else None
