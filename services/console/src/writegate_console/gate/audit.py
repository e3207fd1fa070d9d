"""What people did, newest first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from writegate_console.gate.database import Database

# All conditions are of text that people typed: none of it becomes SQL.
_ACTS = """
SELECT seq, at, who, action, target, detail, command FROM writegate.audit
WHERE (%(before)s::bigint IS NULL OR seq < %(before)s::bigint) AND (%(who)s::text IS NULL OR who = %(who)s)
      AND (%(action)s::text IS NULL OR action = %(action)s)
      AND (%(target)s::text IS NULL OR strpos(target, %(target)s) > 0)
      AND (%(command)s::text IS NULL OR command = %(command)s)
ORDER BY seq DESC LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class Act:
    """One action of somebody. ``command``: the id of the command that asked for it."""

    seq: int
    at: datetime
    who: str
    action: str
    target: str
    detail: Mapping[str, Any]
    command: str | None


def newest(database: Database, limit: int, **given: Any) -> list[Act]:
    """Return the newest acts; ``given``: ``who``, ``action``, ``target`` (a part of it), ``command``, ``before``."""
    asked = {name: given.get(name) for name in ("who", "action", "target", "command", "before")}
    return [Act(**row) for row in database.all(_ACTS, {**asked, "limit": limit})]
