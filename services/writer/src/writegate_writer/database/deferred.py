"""The SQL of deferred commands: stored, indexed by key, read for a replay, settled, given a limit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from writegate.message.envelope import Item
from writegate.message.receipt import Outcome
from writegate_writer.database.fence import fence_parameters
from writegate_writer.database.session import Session
from writegate_writer.decide.deferral import Deferral, DeferredIndex, DeferredRow, Key, Postponed
from writegate_writer.decide.store import Owner
from writegate_writer.errors import SERIALIZATION_FAILURE, DatabaseFault
from writegate_writer.receive.kept import kept_headers
from writegate_writer.receive.sanitizing import sanitize_text

# One statement, so that all of it is of one moment.
READ_INDEX = """
SELECT (SELECT revision FROM writegate.domain WHERE name = %(domain)s),
       (SELECT coalesce(json_agg(json_build_array(service, key, n)), '[]')
        FROM (SELECT service, key, count(*) AS n FROM writegate.deferred
              WHERE domain = %(domain)s AND state = 'deferred' GROUP BY service, key) AS waiting),
       (SELECT coalesce(json_object_agg(origin, n), '{}')
        FROM (SELECT coalesce(origin, 'unverified') AS origin, count(*) AS n FROM writegate.deferred
              WHERE domain = %(domain)s AND state = 'deferred' AND newer GROUP BY 1) AS newer),
       (SELECT coalesce(json_agg(DISTINCT jsonb_build_array(service, key)), '[]') FROM writegate.parked p
        JOIN writegate.lane l USING (service, lane)
        WHERE l.domain = %(domain)s AND p.state = 'parked' AND p.parks_key AND p.key IS NOT NULL)
"""


def read_index(session: Session, owner: Owner) -> DeferredIndex:
    """Return which keys have something deferred, or wait behind a parked command, all as of one moment."""
    return index_of(session.own(READ_INDEX, fence_parameters(owner)))


def index_of(rows: list[tuple[Any, ...]]) -> DeferredIndex:
    """Return the index in the row of :data:`READ_INDEX`."""
    [(revision, deferred, newer, parked)] = rows
    counts: Counter[Key | None] = Counter()
    for service, key, count in deferred:
        counts[(service, key) if key is not None else None] += count  # of several services without a key
    return DeferredIndex(counts, {(service, key) for service, key in parked}, revision, newer=Counter(newer))


_DEFER = """
INSERT INTO writegate.deferred (domain, service, lane, id, ledger_id, task, version, key, hash, reason, not_after,
                                origin, reply_to, headers, raw, newer, at_fault, failed)
SELECT %s, service, lane, id, ledger_id, task, version, key, hash, reason,
       clock_timestamp() + make_interval(secs => limit_seconds), origin, reply_to, headers, raw, newer, at_fault, failed
FROM unnest(%s::text[], %s::int[], %s::text[], %s::uuid[], %s::text[], %s::int[], %s::text[], %s::bigint[], %s::text[],
            %s::float8[], %s::text[], %s::text[], %s::jsonb[], %s::bytea[], %s::bool[], %s::bool[], %s::bool[])
     WITH ORDINALITY AS given (service, lane, id, ledger_id, task, version, key, hash, reason,
                               limit_seconds, origin, reply_to, headers, raw, newer, at_fault, failed, position)
ORDER BY position
"""


def defer(session: Session, owner: Owner, deferrals: Sequence[Deferral]) -> None:
    """Store what must wait, in this order."""
    headers = kept_headers(deferral.arrived.delivery for deferral in deferrals)
    rows = [_row(deferral, kept) for deferral, kept in zip(deferrals, headers, strict=True)]
    columns = zip(*rows, strict=True)
    session.own(_DEFER, [owner.domain, *(list(column) for column in columns)])


def _row(deferral: Deferral, headers: str) -> tuple[Any, ...]:
    arrived = deferral.arrived
    delivery, item = arrived.delivery, arrived.item
    return (
        delivery.service,
        delivery.lane,
        sanitize_text(item.id),
        arrived.ledger_id,
        item.task,
        item.version,
        item.key,
        arrived.hash,
        sanitize_text(deferral.reason),
        deferral.limit_seconds,
        delivery.verified.origin,
        delivery.verified.reply_to,
        headers,
        item.fields,
        arrived.newer,
        deferral.at_fault,
        deferral.failed,
    )


_SETTLE = """
WITH given AS (SELECT * FROM unnest(%s::bigint[], %s::text[]) AS given (seq, state))
UPDATE writegate.deferred d SET state = given.state FROM given
WHERE d.seq = given.seq AND d.state = 'deferred' RETURNING d.seq
"""


def settle(session: Session, outcomes: Mapping[int, Outcome]) -> None:
    """Write the outcomes of rows, by their numbers.

    Raises a conflict when one of them is decided already: somebody else did that, so this transaction must not commit.
    """
    if len(session.own(_SETTLE, [list(outcomes), list(outcomes.values())])) != len(outcomes):
        raise DatabaseFault(SERIALIZATION_FAILURE, "a deferred command was decided meanwhile")


_READ = """
SELECT seq, service, lane, id, task, version, key, raw, hash, origin, reply_to,
       not_after IS NOT NULL, coalesce(not_after < clock_timestamp(), false), parked, newer, reason, at_fault, failed
FROM writegate.deferred WHERE domain = %s AND state = 'deferred' AND seq > %s ORDER BY seq LIMIT %s
"""


def read_deferred(session: Session, owner: Owner, after: int, limit: int) -> list[DeferredRow]:
    """Return what is deferred in a domain, oldest first, after a row's number."""
    return [
        DeferredRow(seq, service, lane, Item(id_, task, version, key, bytes(raw)), *rest)
        for seq, service, lane, id_, task, version, key, raw, *rest in session.own(_READ, [owner.domain, after, limit])
    ]


_POSTPONE = """
UPDATE writegate.deferred d SET reason = given.reason, at_fault = given.at_fault, failed = given.failed,
    not_after = least(not_after, clock_timestamp() + make_interval(secs => given.seconds))
FROM unnest(%s::bigint[], %s::text[], %s::float8[], %s::bool[], %s::bool[])
     AS given (seq, reason, seconds, at_fault, failed)
WHERE d.seq = given.seq
"""


def postpone(session: Session, rows: Mapping[int, Postponed]) -> None:
    """Write down why rows wait now; with a limit, it counts from now unless they have an earlier one."""
    reasons = [sanitize_text(postponed.reason) for postponed in rows.values()]
    seconds = [postponed.limit_seconds for postponed in rows.values()]
    at_fault = [postponed.at_fault for postponed in rows.values()]
    failed = [postponed.failed for postponed in rows.values()]
    session.own(_POSTPONE, [list(rows), reasons, seconds, at_fault, failed])
