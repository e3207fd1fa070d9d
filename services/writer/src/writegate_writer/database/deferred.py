"""The SQL of what is set aside: deferred commands, holds on a type, suspects of a crash."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from writegate.message.envelope import Item
from writegate_writer.database.session import Session
from writegate_writer.decide.deferral import Deferral, DeferredRow
from writegate_writer.decide.store import Holder
from writegate_writer.errors import DatabaseFault
from writegate_writer.receive.sanitizing import sanitize_json, sanitize_text

# The first and the longest time that a faulty deployment's command type rests before it is tried again.
_FIRST_HOLD_SECONDS, _LONGEST_HOLD_SECONDS = 1.0, 60.0
WRITER = "writer"  # the holder of holds that writers place

_DEFER = """
INSERT INTO writegate.deferred (domain, service, lane, id, ledger_id, task, version, key, hash, reason, not_after,
                                origin, reply_to, headers, raw)
SELECT %s, service, lane, id, ledger_id, task, version, key, hash, reason,
       clock_timestamp() + make_interval(secs => patience), origin, reply_to, headers, raw
FROM unnest(%s::text[], %s::int[], %s::text[], %s::uuid[], %s::text[], %s::int[], %s::text[], %s::bigint[], %s::text[],
            %s::float8[], %s::text[], %s::text[], %s::jsonb[], %s::bytea[])
     WITH ORDINALITY AS given (service, lane, id, ledger_id, task, version, key, hash, reason,
                               patience, origin, reply_to, headers, raw, position)
ORDER BY position
"""


def defer(session: Session, holder: Holder, aside: Sequence[Deferral]) -> None:
    """Keep what must wait, in this order."""
    columns = zip(*(_deferred_row(one) for one in aside), strict=True)
    session.own(_DEFER, [holder.domain, *(list(column) for column in columns)])


def _deferred_row(deferral: Deferral) -> tuple[Any, ...]:
    one = deferral.arrived
    delivery, item = one.delivery, one.item
    return (
        delivery.service,
        delivery.lane,
        sanitize_text(item.id),
        one.ledger_id,
        item.task,
        item.version,
        item.key,
        one.hash,
        sanitize_text(deferral.reason),
        deferral.limit_seconds,
        sanitize_text(delivery.origin) if delivery.origin else None,
        sanitize_text(delivery.reply_to) if delivery.reply_to else None,
        json.dumps(sanitize_json(dict(delivery.headers))),
        item.fields,
    )


_SETTLE = """
WITH given AS (SELECT * FROM unnest(%s::bigint[], %s::text[]) AS given (seq, state))
UPDATE writegate.deferred d SET state = given.state FROM given
WHERE d.seq = given.seq AND d.state = 'deferred' RETURNING d.seq
"""


def settle(session: Session, applied: Sequence[int], parked: Sequence[int]) -> None:
    """Compare and set: a row that no longer waits was decided by somebody else, and all of this must not happen."""
    states = ["applied"] * len(applied) + ["parked"] * len(parked)
    if len(session.own(_SETTLE, [[*applied, *parked], states])) != len(states):
        raise DatabaseFault("40001", "a deferred command was decided meanwhile")


_DEFERRED = """
SELECT seq, service, lane, id, task, version, key, raw, hash, origin, reply_to,
       not_after IS NOT NULL, coalesce(not_after < clock_timestamp(), false), parked
FROM writegate.deferred WHERE domain = %s AND state = 'deferred' AND seq > %s ORDER BY seq LIMIT %s
"""


def deferred(session: Session, holder: Holder, after: int, limit: int) -> list[DeferredRow]:
    """Return what waits, oldest first, after a row's number."""
    return [
        DeferredRow(seq, service, lane, Item(id_, task, version, key, bytes(raw)), *rest)
        for seq, service, lane, id_, task, version, key, raw, *rest in session.own(
            _DEFERRED, [holder.domain, after, limit]
        )
    ]


_LIMIT_WAITING = """
UPDATE writegate.deferred SET not_after = clock_timestamp() + make_interval(secs => %s)
WHERE seq = ANY(%s) AND not_after IS NULL
"""


def limit_waiting(session: Session, seqs: Sequence[int], seconds: float) -> None:
    """Let rows that wait without a limit wait for so long from now."""
    session.own(_LIMIT_WAITING, [seconds, list(seqs)])


# Twice as long as the last time, when that is not long over: a deployment that stays broken is tried ever more seldom.
_HOLD = """
INSERT INTO writegate.hold AS h (target, reason, holder, until)
VALUES (%(task)s, %(reason)s, %(holder)s, clock_timestamp() + make_interval(secs => %(first)s))
ON CONFLICT (target) DO UPDATE SET reason = excluded.reason, since = clock_timestamp(),
    until = clock_timestamp() + CASE WHEN h.until > clock_timestamp() - make_interval(secs => 2 * %(longest)s)
                                     THEN least(2 * (h.until - h.since), make_interval(secs => %(longest)s))
                                     ELSE make_interval(secs => %(first)s) END
WHERE h.holder = %(holder)s
RETURNING extract(epoch FROM until - since)::float8
"""


def hold_task(session: Session, task: str, reason: str) -> float:
    """Hold a command type; a hold that a person placed on it stays as it is."""
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


_SUSPECT = """
INSERT INTO writegate.suspect AS s (service, id, writer) VALUES (%s, %s::uuid, %s)
ON CONFLICT (service, id) DO UPDATE SET times = s.times + (s.writer <> excluded.writer)::int, writer = excluded.writer
RETURNING times
"""


def suspect(session: Session, holder: Holder, service: str, ledger_id: str) -> int:
    """Note, in a transaction of its own, what may end the process: a command about to be applied alone, a replay.

    Returns how many writers have: one that is alive after an outage has not died of it, however often it tries.
    """
    [(times,)] = session.own(_SUSPECT, [service, ledger_id, holder.writer])
    return int(times)


def clear_suspect(session: Session, service: str, ledger_id: str) -> None:
    """Forget the note."""
    session.own("DELETE FROM writegate.suspect WHERE service = %s AND id = %s::uuid", [service, ledger_id])
