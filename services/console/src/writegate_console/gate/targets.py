"""What there is to aim at, as the database says: targets are checked before anything is published."""

from __future__ import annotations

from collections.abc import Sequence

from writegate.contract.targets import BUILT_IN, Known, Target, TargetError
from writegate_console.gate.database import Database

LONGEST = 1000  # as an operation takes it
_LANES = "SELECT service, count(*)::int AS lanes FROM writegate.lane WHERE service <> %(own)s GROUP BY service"
_TASKS = "SELECT DISTINCT unnest(tasks) AS task FROM writegate.service"
_TABLES = 'SELECT DISTINCT unnest(tables) AS "table" FROM writegate.domain WHERE name <> %(own)s'


def known(database: Database) -> Known:
    """Return what there is to aim at."""
    own = {"own": BUILT_IN}
    return Known(
        lanes={row["service"]: row["lanes"] for row in database.all(_LANES, own)},
        tasks={row["task"] for row in database.all(_TASKS)},
        tables={row["table"] for row in database.all(_TABLES, own)},
    )


def find(database: Database, words: Sequence[str]) -> Target:
    """Return the target that was typed, `flights key=UA123` as two words. Raises :class:`TargetError`."""
    text = " ".join(words)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise TargetError(f"{text!r} is no text") from None
    if len(text) > LONGEST:
        raise TargetError(f"a target has at most {LONGEST} characters, not {len(text)}")
    return known(database).find(text)
