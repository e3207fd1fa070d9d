"""The SQL of holds that writers place on a command type whose deployment is broken."""

from __future__ import annotations

from writegate_writer.database.session import Session
from writegate_writer.receive.sanitizing import sanitize_text

# The first and the longest time that a command type is held before it is tried again.
_FIRST_HOLD_SECONDS, _LONGEST_HOLD_SECONDS = 1.0, 60.0
WRITER = "writer"  # the holder of holds that writers place

# Twice as long as the last time if that was recent: a deployment that stays broken is tried less and less often.
_HOLD = """
INSERT INTO writegate.hold AS h (target, reason, holder, until)
VALUES (%(task)s, %(reason)s, %(holder)s, clock_timestamp() + make_interval(secs => %(first)s))
ON CONFLICT (target) DO UPDATE SET reason = excluded.reason, holder = excluded.holder, since = clock_timestamp(),
    until = clock_timestamp() + CASE WHEN h.holder = %(holder)s
                                          AND h.until > clock_timestamp() - make_interval(secs => 2 * %(longest)s)
                                     THEN least(2 * (h.until - h.since), make_interval(secs => %(longest)s))
                                     ELSE make_interval(secs => %(first)s) END
WHERE h.holder = %(holder)s OR h.until <= clock_timestamp()
RETURNING extract(epoch FROM until - since)::float8
"""


def hold_task(session: Session, task: str, reason: str) -> float:
    """Hold a command type; a hold that a person placed on it stays as it is, while it is in force."""
    parameters = {
        "task": task,
        "reason": sanitize_text(reason),
        "holder": WRITER,
        "first": _FIRST_HOLD_SECONDS,
        "longest": _LONGEST_HOLD_SECONDS,
    }
    rows = session.own(_HOLD, parameters)
    return float(rows[0][0]) if rows else _FIRST_HOLD_SECONDS


def release_task(session: Session, task: str) -> None:
    """Take a writer's hold off a command type; one that a person placed stays."""
    session.own("DELETE FROM writegate.hold WHERE target = %s AND holder = %s", [task, WRITER])
