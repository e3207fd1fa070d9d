"""The transaction around the handlers of a batch: begin and look up, enter, leave the role, commit.

Every function is one round trip (:func:`start` is three). Arrays go in and are unnested there: the number of commands
changes the length of a statement, never the number of statements.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from writegate_writer.database.deferred import READ_INDEX, index_of
from writegate_writer.database.fence import FENCE, fence_parameters
from writegate_writer.database.outbox import DELETE_SENT, leftovers
from writegate_writer.database.removals import READ_REMOVALS, removals_of
from writegate_writer.database.session import Session
from writegate_writer.decide.holds import holds_of
from writegate_writer.decide.store import Decision, Known, Opened, Owner, Started
from writegate_writer.handlers.roles import role_of
from writegate_writer.handlers.rows.literal import array_literal, bare_array

_START = f"BEGIN; {FENCE}; {READ_INDEX}"


def start(session: Session, owner: Owner) -> Started:
    """Commit an otherwise empty fenced transaction: proof that the database takes writes and that the domain is ours.

    Returns what an earlier owner left: the outbox, which goes out before anything new, and what is deferred.
    """
    index = index_of(session.own(_START, fence_parameters(owner)))
    left = leftovers(session, owner)
    session.own("COMMIT")
    return Started(left, index)


# The ledger is read in a statement of its own, after the fence: its snapshot must not be older than the lock.
_READ_OPENED = """
SELECT nextval('writegate.batch_id_seq'), pg_current_xact_id()::text::bigint, clock_timestamp(), decided, waiting,
       (SELECT coalesce(json_agg(json_build_array(target, reason)), '[]') FROM writegate.hold
        WHERE until IS NULL OR until > clock_timestamp()),
       (SELECT coalesce(json_agg(DISTINCT service), '[]') FROM writegate.lane
        WHERE EXISTS (SELECT FROM writegate.hold)),
       (SELECT revision FROM writegate.domain WHERE name = %(domain)s), ({removals})
FROM writegate.look_up(%(service)s, %(ids)s, %(since)s)
"""
_OPEN = f"BEGIN; {FENCE}; {_READ_OPENED.format(removals=READ_REMOVALS)}"


def open_transaction(session: Session, owner: Owner, service: str, ids: Sequence[str], since: date) -> Opened:
    """Begin, pass the fence, look the ids up and read the holds."""
    parameters = {**fence_parameters(owner), "service": service, "ids": bare_array(ids), "since": since}
    [(batch, xid, started_at, decided, deferred_hashes, holds, services, revision, removals)] = session.own(
        _OPEN, parameters
    )
    return Opened(
        batch,
        xid,
        started_at,
        {found: Known(outcome, int(digest)) for found, outcome, digest in decided},
        {found: int(digest) for found, digest in deferred_hashes},
        holds_of(((target, reason) for target, reason in holds), services),
        revision,
        removals_of(removals),
    )


_ENTER = """
INSERT INTO writegate.batch (id, domain, service, writer, xid, commands, started_at)
OVERRIDING SYSTEM VALUE VALUES (%(batch)s, %(domain)s, %(service)s, %(writer)s, %(xid)s, %(commands)s, %(started_at)s);
{set_role}
"""


def enter(session: Session, owner: Owner, opened: Opened, service: str, commands: int) -> None:
    """Write the batch's row, with the number of its commands; become the service's role for the handlers."""
    parameters = {
        "batch": opened.batch,
        "domain": owner.domain,
        "service": service,
        "writer": owner.writer,
        "xid": opened.xid,
        "commands": commands,
        "started_at": opened.started_at,
    }
    session.own(_ENTER.format(set_role=_set_role(service)), parameters)


def _set_role(service: str) -> str:
    return 'SET LOCAL ROLE "' + role_of(service).replace('"', '""') + '"'


# The ledger comes after the handlers: what they answered is kept with the decision. Its days are those of UTC, also
# when a handler has set the session's time zone.
_LEAVE = """
RESET ROLE; {delete_sent}
INSERT INTO writegate.ledger (day, service, id, outcome, hash, batch, result, reason)
SELECT (transaction_timestamp() AT TIME ZONE 'UTC')::date,
       %(service)s, id, outcome, hash, %(batch)s, result::json, reason
FROM unnest(%(ids)s::uuid[], %(outcomes)s::char[], %(hashes)s::bigint[], %(results)s::text[], %(reasons)s::text[])
     AS given (id, outcome, hash, result, reason) ORDER BY id;
UPDATE writegate.batch SET committed_at = clock_timestamp() WHERE id = %(batch)s RETURNING id
"""


def leave_role(  # noqa: PLR0913, PLR0917  what a transaction is about
    session: Session, owner: Owner, opened: Opened, service: str, decisions: Sequence[Decision], sent: int | None
) -> bool:
    """Leave the service's role, write the decisions, end the batch, delete from the outbox what is confirmed.

    Returns whether the batch's row is there. It is not when a handler ended the transaction and began another.
    """
    delete = "" if sent is None else f"{DELETE_SENT};"
    ids, outcomes, hashes, results, reasons = zip(*decisions, strict=True) if decisions else ((), (), (), (), ())
    parameters = {
        "batch": opened.batch,
        "domain": owner.domain,
        "sent": sent,
        "service": service,
        "ids": bare_array(ids),
        "outcomes": bare_array(outcomes),
        "hashes": bare_array(map(str, hashes)),
        "results": array_literal(results, bytes.decode),
        "reasons": array_literal(reasons, str),
    }
    return bool(session.own(_LEAVE.format(delete_sent=delete), parameters))


def check_constraints(session: Session, service: str | None) -> None:
    """Check now what else is checked at COMMIT: deferred constraints and constraint triggers."""
    session.run(f"{_as_service(service)}SET CONSTRAINTS ALL IMMEDIATE")


COMMIT = "COMMIT; SELECT pg_current_wal_insert_lsn()::text, clock_timestamp()"


def commit(session: Session, service: str | None) -> tuple[str, datetime]:
    """Commit; return a WAL position that is not before the commit's, and the time."""
    [(lsn, at)] = session.run(_as_service(service) + COMMIT)
    return lsn, at


def _as_service(service: str | None) -> str:
    """Return the statement before what checks constraints; ``service``: whose handlers ran, if any did.

    What handlers leave to be checked is checked with the service's rights, as all they do: before PostgreSQL 18 a
    deferred trigger runs as the role of that moment, and the writer's own may not use the service's tables.
    """
    return "" if service is None else f"{_set_role(service)}; "
