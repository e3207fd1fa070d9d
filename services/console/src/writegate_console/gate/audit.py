"""What people did: the audit, newest first, and what it says of a single kept command or dry run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from writegate.contract.operations import DEFERRED, PARKED, KeptTable
from writegate_console.gate.database import Database, Row

# People type what is compared here: it is passed as parameters and never becomes SQL.
_ENTRIES = """
SELECT seq, at, who, action, target, detail, command FROM writegate.audit
WHERE (%(before)s::bigint IS NULL OR seq < %(before)s::bigint) AND (%(who)s::text IS NULL OR who = %(who)s)
      AND (%(action)s::text IS NULL OR action = %(action)s)
      AND (%(target)s::text IS NULL OR strpos(target, %(target)s) > 0)
      AND (%(command)s::text IS NULL OR command = %(command)s)
ORDER BY seq DESC LIMIT %(limit)s
"""
_ON_KEPT = """
SELECT at, who, action, detail->>'reason' AS reason, detail->'changed' AS changed
FROM writegate.audit WHERE detail->%(numbers)s @> to_jsonb(%(number)s::bigint) ORDER BY seq
"""
_NUMBERS = {PARKED: "numbers", DEFERRED: "deferred"}  # where an entry has the numbers of what it was done to
# What the writer records is older than the name that people type.
_SHOWN_AS = {"rehearse": "dry run"}
_OUTCOMES_SHOWN_AS = {"waits": "deferred"}  # of a command that a dry run could not apply now
_STORED_AS = {shown: stored for stored, shown in _SHOWN_AS.items()}

_DETAIL = "SELECT detail FROM writegate.audit WHERE command = %(command)s"


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One action of a person. ``command``: the id of the operation that asked for it; ``result``: what came of it."""

    seq: int
    at: datetime
    who: str
    action: str
    target: str
    detail: Mapping[str, Any]
    command: str | None
    result: str


def shown_action(action: str) -> str:
    """Return the name of an action as people read it."""
    return _SHOWN_AS.get(action, action)


def shown_outcome(outcome: str) -> str:
    """Return the outcome of a dry run's command as people read it."""
    return _OUTCOMES_SHOWN_AS.get(outcome, outcome)


def newest_entries(database: Database, limit: int, **filters: Any) -> list[AuditEntry]:
    """Return the newest entries that match ``filters``.

    Filters are ``who``, ``action`` (as stored or as shown), ``target`` (a part of it), ``command`` and ``before`` (only
    lower ``seq``).
    """
    parameters = {name: filters.get(name) for name in ("who", "action", "target", "command", "before")}
    if (action := parameters["action"]) is not None:
        parameters["action"] = _STORED_AS.get(action, action)
    rows = database.all(_ENTRIES, {**parameters, "limit": limit})
    return [AuditEntry(**row, result=result_of(row["detail"])) for row in rows]


def result_of(detail: Mapping[str, Any]) -> str:
    """Return what came of an action, as people read it, from the detail that the writer recorded."""
    if (why := detail.get("refused")) is not None:
        return f"refused: {why}"
    if (done := detail.get("done")) is not None:
        skipped = sum(detail.get("skipped", {}).values())
        return f"{_count(done)}, {skipped:,} skipped" if skipped else _count(done)
    if (outcomes := detail.get("outcomes")) is not None:
        return ", ".join(f"{count:,} {shown_outcome(outcome)}" for outcome, count in outcomes.items()) or _count(0)
    return "done"


def _count(commands: int) -> str:
    return f"{commands:,} command{'' if commands == 1 else 's'}"


def actions_on(database: Database, kept: KeptTable, number: int) -> list[Row]:
    """Return what people did about one parked or deferred command, oldest first."""
    return database.all(_ON_KEPT, {"number": number, "numbers": _NUMBERS[kept]})


def dry_run_report(database: Database, command_id: str) -> dict[str, Any]:
    """Return the report that a dry run wrote into the audit: ``outcomes``, ``tables`` and ``commands``."""
    [row] = database.all(_DETAIL, {"command": command_id})
    return dict(row["detail"])
