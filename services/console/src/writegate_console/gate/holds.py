"""Holds, as the database has them."""

from __future__ import annotations

from writegate.contract.targets import TargetError, parse
from writegate_console.gate.database import Database, Row

_HOLDS = "SELECT target, reason, holder, since, until FROM writegate.hold "
_UNREADABLE = "NOT A TARGET, so it stops the services whose names it begins with, or else every service"
_IN_FORCE = _HOLDS + "WHERE until IS NULL OR until > clock_timestamp() ORDER BY target"


def holds_in_force(database: Database) -> list[Row]:
    """Return the holds that stop something now: ``target``, ``reason``, ``holder``, ``since``, ``until``.

    The reason of one whose target cannot be read says what writers do then.
    """
    return [{**row, "reason": _reason(row["target"], row["reason"])} for row in database.all(_IN_FORCE)]


def _reason(target: str, reason: str) -> str:
    try:
        parse(target)
    except TargetError:
        return f"{_UNREADABLE}: {reason}"
    return reason


def hold_on(database: Database, target: str) -> Row | None:
    """Return the hold on exactly this target, whether it is still in force or not."""
    rows = database.all(_HOLDS + "WHERE target = %(target)s", {"target": target})
    return rows[0] if rows else None
