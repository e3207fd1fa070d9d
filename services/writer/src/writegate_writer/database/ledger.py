"""The SQL of a batch's transaction around the handlers: fence, ledger, parked, outbox, batch.

Every function is one round trip (`start` is two). Arrays go in and are unnested there: the number of commands changes
the length of a statement, never the number of statements.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from writegate.contract.ids import ledger_id
from writegate.message.envelope import Item
from writegate.message.receipt import Cause, Receipt
from writegate_writer.database.session import Session
from writegate_writer.decide.deferral import DeferredIndex
from writegate_writer.decide.holds import holds_of
from writegate_writer.decide.store import APPLIED, PARKED, Holder, Known, Opened, Outgoing, Started
from writegate_writer.handlers.roles import role_of
from writegate_writer.handlers.rows.literal import bare_array
from writegate_writer.receive.delivery import Refused
from writegate_writer.receive.sanitizing import sanitize_json, sanitize_text

# The ledger is read in a statement of its own, after the fence: its snapshot must not be older than the lock.
_OPEN = """
BEGIN;
SELECT writegate.fence(%(domain)s, %(epoch)s, make_interval(secs => %(lease)s));
SELECT nextval('writegate.batch_id_seq'), pg_current_xact_id()::text::bigint, clock_timestamp(), decided, waiting,
       (SELECT coalesce(json_agg(json_build_array(target, reason)), '[]') FROM writegate.hold
        WHERE until IS NULL OR until > clock_timestamp()),
       (SELECT revision FROM writegate.domain WHERE name = %(domain)s)
FROM writegate.look_up(%(service)s, %(ids)s, %(since)s)
"""


def open_transaction(session: Session, holder: Holder, service: str, ids: Sequence[str], since: date) -> Opened:
    """Begin, pass the fence, look the ids up and read the holds."""
    parameters = {**_fence(holder), "service": service, "ids": bare_array(ids), "since": since}
    [(batch, xid, started_at, decided, waiting, holds, revision)] = session.own(_OPEN, parameters)
    return Opened(
        batch,
        xid,
        started_at,
        {found: Known(outcome, int(digest)) for found, outcome, digest in decided},
        {found: int(digest) for found, digest in waiting},
        holds_of((target, reason) for target, reason in holds),
        revision,
    )


def _fence(holder: Holder) -> dict[str, Any]:
    return {"domain": holder.domain, "epoch": holder.epoch, "lease": holder.lease_seconds}


_ENTER = """
INSERT INTO writegate.batch (id, domain, service, writer, xid, commands, started_at)
OVERRIDING SYSTEM VALUE VALUES (%(batch)s, %(domain)s, %(service)s, %(writer)s, %(xid)s, %(commands)s, %(started_at)s);
INSERT INTO writegate.ledger (day, service, id, outcome, hash, batch)
SELECT current_date, %(service)s, id, outcome, hash, %(batch)s
FROM unnest(%(ids)s::uuid[], %(outcomes)s::char[], %(hashes)s::bigint[]) AS given (id, outcome, hash) ORDER BY id;
SET LOCAL ROLE {role}
"""


def enter(session: Session, holder: Holder, opened: Opened, service: str, rows: Sequence[tuple[str, str, int]]) -> None:
    """Write the batch's row and the decisions ``(id, outcome, hash)``; become the service's role for the handlers."""
    ids, outcomes, hashes = zip(*rows, strict=True) if rows else ((), (), ())
    parameters = {
        "batch": opened.batch,
        "domain": holder.domain,
        "service": service,
        "writer": holder.writer,
        "xid": opened.xid,
        "commands": len(rows),
        "started_at": opened.started_at,
        "ids": bare_array(ids),
        "outcomes": bare_array(outcomes),
        "hashes": bare_array(map(str, hashes)),
    }
    session.own(_ENTER.format(role='"' + role_of(service).replace('"', '""') + '"'), parameters)


_FORGET_SENT = "DELETE FROM writegate.outbox WHERE domain = %(domain)s AND seq <= %(sent)s;"
_LEAVE = """
RESET ROLE; {forget}
UPDATE writegate.batch SET committed_at = clock_timestamp() WHERE id = %(batch)s RETURNING id
"""


def leave(session: Session, holder: Holder, opened: Opened, sent: int | None) -> bool:
    """Leave the service's role, end the batch, and forget what of the outbox is the broker's by now.

    Returns whether the batch's row is there: it is not in another transaction than the one that entered.
    """
    forget = "" if sent is None else _FORGET_SENT
    parameters = {"batch": opened.batch, "domain": holder.domain, "sent": sent}
    return bool(session.own(_LEAVE.format(forget=forget), parameters))


_PARK = """
INSERT INTO writegate.parked
       (service, lane, id, task, version, key, parks_key, hash, cause, sqlstate, message, origin, headers, raw)
SELECT * FROM unnest(%s::text[], %s::int[], %s::text[], %s::text[], %s::int[], %s::text[], %s::bool[], %s::bigint[],
                     %s::text[], %s::text[], %s::text[], %s::text[], %s::jsonb[], %s::bytea[])
ON CONFLICT (service, id, hash) DO NOTHING
"""


def park(session: Session, refused: Sequence[Refused]) -> None:
    """Keep what was refused, with its cause and its raw form. A redelivery finds it there already."""
    rows = [_parked_row(one) for one in refused]
    session.own(_PARK, [list(column) for column in zip(*rows, strict=True)])


def _parked_row(one: Refused) -> tuple[Any, ...]:
    item, delivery = one.item, one.delivery
    return (
        delivery.service,
        delivery.lane,
        sanitize_text(one.id),
        sanitize_text(item.task) if item else _header_text(delivery.headers.get("task")),
        item.version if item else None,
        sanitize_text(item.key) if item and item.key is not None else None,
        one.parks_key,
        one.hash,
        one.cause.cause,
        one.cause.sqlstate,
        sanitize_text(one.cause.message),
        sanitize_text(delivery.origin) if delivery.origin else _header_text(delivery.properties.get("user_id")),
        json.dumps(sanitize_json(dict(delivery.headers))),
        one.raw,
    )


def _header_text(value: Any) -> str | None:
    return sanitize_text(value) if isinstance(value, str) else None


_OUTBOX = """
WITH given AS MATERIALIZED (
    SELECT * FROM unnest(%s::text[], %s::text[], %s::uuid[], %s::int[], %s::text[], %s::text[], %s::text[], %s::bytea[],
                         %s::uuid[])
             WITH ORDINALITY AS given (service, task, id, version, key, parent, origin, fields, parent_id, position)
), noted AS (
    INSERT INTO writegate.emission (batch, parents, children)
    SELECT currval('writegate.batch_id_seq'), array_agg(parent_id ORDER BY position), array_agg(id ORDER BY position)
    FROM given
)
INSERT INTO writegate.outbox (domain, service, task, id, version, key, parent, origin, fields)
SELECT %s, service, task, id, version, key, parent, origin, fields FROM given ORDER BY position
RETURNING seq, (SELECT json_object_agg(service, lanes)::text
                FROM (SELECT service, count(*) AS lanes FROM writegate.lane WHERE service = ANY(%s) GROUP BY service) l)
"""


def fill_outbox(session: Session, domain: str, outgoing: Sequence[Outgoing]) -> list[Outgoing]:
    """Store emitted commands; return them with their numbers, and how many lanes their services have.

    What follows from what is noted with the batch that this connection has opened.
    """
    rows = [
        (
            one.service,
            one.item.task,
            one.item.id,
            one.item.version,
            one.item.key,
            one.parent,
            one.origin,
            one.item.fields,
            ledger_id(one.parent) if one.parent is not None else None,
        )
        for one in outgoing
    ]
    services = sorted({one.service for one in outgoing})
    numbers = session.own(_OUTBOX, [*(list(column) for column in zip(*rows, strict=True)), domain, services])
    lanes = json.loads(numbers[0][1] or "{}")
    return [
        Outgoing(seq, one.item, one.service, one.parent, one.origin, lanes.get(one.service))
        for (seq, _), one in zip(numbers, outgoing, strict=True)
    ]


# One statement, so that all of it is of one moment.
_WAITING = """
SELECT (SELECT revision FROM writegate.domain WHERE name = %(domain)s),
       (SELECT coalesce(json_agg(json_build_array(service, key, n)), '[]')
        FROM (SELECT service, key, count(*) AS n FROM writegate.deferred
              WHERE domain = %(domain)s AND state = 'deferred' GROUP BY service, key) AS waiting),
       (SELECT coalesce(json_agg(DISTINCT jsonb_build_array(service, key)), '[]') FROM writegate.parked p
        JOIN writegate.lane l USING (service, lane)
        WHERE l.domain = %(domain)s AND p.state = 'parked' AND p.parks_key)
"""
_START = f"""
BEGIN;
SELECT writegate.fence(%(domain)s, %(epoch)s, make_interval(secs => %(lease)s));
{_WAITING}
"""

_CHECK_HELD = "SELECT writegate.fence(%(domain)s, %(epoch)s, make_interval(secs => %(lease)s))"

_LEFTOVERS = """
SELECT seq, service, task, id::text, version, key, parent, origin, fields,
       (SELECT count(*) FROM writegate.lane l WHERE l.service = o.service)
FROM writegate.outbox o WHERE domain = %(domain)s ORDER BY seq
"""


def start(session: Session, holder: Holder) -> Started:
    """Commit an otherwise empty fenced transaction: proof that the database takes writes and that the domain is ours.

    Returns what an earlier owner left: the outbox, which goes out before anything new, and what waits.
    """
    waiting_ = _waiting_of(session.own(_START, _fence(holder)))
    rows = session.own(_LEFTOVERS, _fence(holder))
    session.own("COMMIT")
    leftovers = [
        Outgoing(seq, Item(id_, task, version, key, bytes(fields)), service, parent, origin, lanes or None)
        for seq, service, task, id_, version, key, parent, origin, fields, lanes in rows
    ]
    return Started(leftovers, waiting_)


def waiting(session: Session, holder: Holder) -> DeferredIndex:
    """Take stock of what waits in a domain."""
    return _waiting_of(session.own(_WAITING, _fence(holder)))


def _waiting_of(rows: list[tuple[Any, ...]]) -> DeferredIndex:
    [(revision, deferred, parked)] = rows
    return DeferredIndex(
        Counter({(service, key) if key is not None else None: count for service, key, count in deferred}),
        {(service, key) for service, key in parked},
        revision,
    )


def check_held(session: Session, holder: Holder) -> None:
    """Pass the fence, and no more."""
    session.own(_CHECK_HELD, _fence(holder))


def commit(session: Session) -> tuple[str, datetime]:
    """Commit; return a WAL position that is not before the commit's, and the time."""
    [(lsn, at)] = session.run("COMMIT; SELECT pg_current_wal_insert_lsn()::text, clock_timestamp()")
    return lsn, at


_FORGET = f"""
BEGIN;
SELECT writegate.fence(%(domain)s, %(epoch)s, make_interval(secs => %(lease)s));
{_FORGET_SENT}
COMMIT
"""


def delete_sent(session: Session, holder: Holder, sent: int) -> None:
    """Delete from the outbox what is the broker's by now, when there is no batch to do it with."""
    session.own(_FORGET, {**_fence(holder), "sent": sent})


# What is found in the ledger was committed before this statement: the position now is an upper bound of its commit's.
_LOOK_UP = """
SELECT position, l.outcome, b.xid, pg_current_wal_insert_lsn()::text, b.committed_at,
       p.cause, p.message, p.sqlstate, d.reason
FROM unnest(%(ids)s::text[], %(ledger_ids)s::uuid[]) WITH ORDINALITY AS given (id, ledger_id, position)
LEFT JOIN writegate.ledger l ON l.service = %(service)s AND l.id = given.ledger_id
LEFT JOIN writegate.batch b ON b.id = l.batch
LEFT JOIN writegate.parked p ON l.outcome = 'p' AND p.service = l.service AND p.id = given.id AND p.hash = l.hash
LEFT JOIN writegate.deferred d ON d.service = %(service)s AND d.ledger_id = given.ledger_id AND d.state = 'deferred'
WHERE l.outcome IS NOT NULL OR d.reason IS NOT NULL
"""


def look_up(session: Session, service: str, ids: Sequence[str]) -> dict[str, Receipt]:
    """Return what is known of commands; those that were never seen are left out. Their results are not kept."""
    parameters = {
        "service": service,
        "ids": [sanitize_text(one) for one in ids],
        "ledger_ids": [ledger_id(one) for one in ids],
    }
    found = {}
    for position, outcome, xid, lsn, at, cause, message, sqlstate, reason in session.own(_LOOK_UP, parameters):
        id_ = ids[position - 1]
        if outcome == APPLIED:
            found[id_] = Receipt(id_, "applied", xid, lsn, at)
        elif outcome == PARKED:
            found[id_] = Receipt(id_, "parked", xid, lsn, at, cause=Cause(cause or "parked", message or "", sqlstate))
        else:
            found[id_] = Receipt(id_, "deferred", cause=Cause("deferred", reason))
    return found
