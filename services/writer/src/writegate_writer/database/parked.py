"""The SQL of parked commands: put there, and decided again when people ask for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from writegate_writer.database.session import Session
from writegate_writer.decide.store import Decision, Opened
from writegate_writer.receive.delivery import Refused
from writegate_writer.receive.kept import kept_headers
from writegate_writer.receive.sanitizing import sanitize_text

_PARK = """
INSERT INTO writegate.parked
       (service, lane, id, task, version, key, parks_key, hash, cause, sqlstate, message, origin, headers, raw, state,
        place)
SELECT service, lane, id, task, version, key, parks_key, hash, cause, sqlstate, message, origin, headers, raw, state,
       coalesce(place, nextval('writegate.deferred_seq_seq'))
FROM unnest(%s::text[], %s::int[], %s::text[], %s::text[], %s::int[], %s::text[], %s::bool[], %s::bigint[],
            %s::text[], %s::text[], %s::text[], %s::text[], %s::jsonb[], %s::bytea[], %s::text[], %s::bigint[])
     WITH ORDINALITY AS given (service, lane, id, task, version, key, parks_key, hash, cause, sqlstate, message,
                               origin, headers, raw, state, place, position)
ORDER BY position
ON CONFLICT (service, id, hash) DO NOTHING
"""


def park(session: Session, refused: Sequence[Refused], places: Mapping[str, int]) -> None:
    """Keep what was refused, with its cause and its raw form. A redelivery finds it there already.

    ``places``: among the deferred commands, of those that were deferred until now, by ledger id. The others get the
    next ones.
    """
    headers = kept_headers(part.delivery for part in refused)
    rows = [(*_row(part, kept), places.get(part.ledger_id or "")) for part, kept in zip(refused, headers, strict=True)]
    session.own(_PARK, [list(column) for column in zip(*rows, strict=True)])


def _row(refused: Refused, headers: str) -> tuple[Any, ...]:
    item, delivery = refused.item, refused.delivery
    return (
        delivery.service,
        delivery.lane,
        sanitize_text(refused.id),
        sanitize_text(item.task) if item else _header_text(delivery.headers.get("task")),
        item.version if item else None,
        sanitize_text(item.key) if item and item.key is not None else None,
        refused.parks_key,
        refused.hash,
        refused.cause.cause,
        refused.cause.sqlstate,
        sanitize_text(refused.cause.message),
        delivery.verified.origin,
        headers,
        refused.raw,
        _state(refused),
    )


def _state(refused: Refused) -> str:
    return "dropped" if refused.dropped else "parked"


_MOST_TASK_CHARS = 200  # of a message that cannot be read: its task may be anything


def _header_text(value: Any) -> str | None:
    return sanitize_text(value[:_MOST_TASK_CHARS]) if isinstance(value, str) else None


# That a row is still to be decided is known from its row in `deferred`, which was compared and set in this transaction.
# Its row in the ledger may be in any partition. There is none when that partition was dropped or when the message could
# not be read: then one was written with the batch's other decisions.
_SETTLE_REPLAYED = """
WITH replayed AS (
    UPDATE writegate.parked SET state = 'replayed' WHERE seq = ANY(%(decided)s::bigint[])
), decided AS (
    UPDATE writegate.ledger l
    SET outcome = given.outcome, result = given.result::json, reason = given.reason, batch = %(batch)s
    FROM unnest(%(ledger_ids)s::uuid[], %(outcomes)s::char[], %(results)s::text[], %(reasons)s::text[])
         AS given (id, outcome, result, reason)
    WHERE l.service = %(service)s AND l.id = given.id AND l.outcome = 'p'
)
UPDATE writegate.parked p
SET state = given.state, lane = given.lane, key = given.key, parks_key = given.parks_key,
    cause = given.cause, sqlstate = given.sqlstate, message = given.message
FROM unnest(%(again)s::bigint[], %(lanes)s::int[], %(keys)s::text[], %(parks_keys)s::bool[], %(causes)s::text[],
            %(sqlstates)s::text[], %(messages)s::text[], %(states)s::text[])
     AS given (seq, lane, key, parks_key, cause, sqlstate, message, state)
WHERE p.seq = given.seq
"""


def settle_parked(
    session: Session, opened: Opened, service: str, decided: Mapping[int, Decision], again: Mapping[int, Refused]
) -> None:
    """Write down what became of parked commands that people had decided again, by their numbers.

    ``decided``: applied or declined now. ``again``: these stay parked, with their new cause.
    """
    refused = list(again.values())
    decisions = list(decided.values())
    parameters = {
        "decided": list(decided),
        "ledger_ids": [decision.ledger_id for decision in decisions],
        "outcomes": [decision.outcome for decision in decisions],
        "results": [decision.result.decode() if decision.result is not None else None for decision in decisions],
        "reasons": [decision.reason for decision in decisions],
        "batch": opened.batch,
        "service": service,
        "again": list(again),
        "lanes": [part.delivery.lane for part in refused],
        "keys": [part.item.key if part.item is not None else None for part in refused],
        "parks_keys": [part.parks_key for part in refused],
        "causes": [part.cause.cause for part in refused],
        "sqlstates": [part.cause.sqlstate for part in refused],
        "messages": [sanitize_text(part.cause.message) for part in refused],
        "states": [_state(part) for part in refused],
    }
    session.own(_SETTLE_REPLAYED, parameters)
