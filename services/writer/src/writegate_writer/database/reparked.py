"""The SQL of parked commands that people wanted to be decided again, once they are."""

from __future__ import annotations

from collections.abc import Mapping

from writegate_writer.database.session import Session
from writegate_writer.decide.store import Opened
from writegate_writer.receive.delivery import Refused
from writegate_writer.receive.sanitizing import sanitize_text

# That it is still to be decided, the row among the deferred ones has said: it was compared and set in this transaction.
# What the ledger says may be in any of its partitions, and is not there when that was dropped, or when what came could
# not be read: then it was written with the batch's other decisions.
_SETTLE = """
WITH replayed AS (
    UPDATE writegate.parked SET state = 'replayed' WHERE seq = ANY(%(applied)s::bigint[])
), decided AS (
    UPDATE writegate.ledger SET outcome = 'a', batch = %(batch)s
    WHERE service = %(service)s AND id = ANY(%(ledger_ids)s::uuid[]) AND outcome = 'p'
)
UPDATE writegate.parked p
SET state = 'parked', lane = given.lane, key = given.key, parks_key = given.parks_key,
    cause = given.cause, sqlstate = given.sqlstate, message = given.message
FROM unnest(%(again)s::bigint[], %(lanes)s::int[], %(keys)s::text[], %(parks_keys)s::bool[], %(causes)s::text[],
            %(sqlstates)s::text[], %(messages)s::text[])
     AS given (seq, lane, key, parks_key, cause, sqlstate, message)
WHERE p.seq = given.seq
"""


def settle(
    session: Session, opened: Opened, service: str, applied: Mapping[int, str], again: Mapping[int, Refused]
) -> None:
    """Note what became of them, by number; ``applied``: with their ledger ids."""
    refused = list(again.values())
    parameters = {
        "applied": list(applied),
        "ledger_ids": list(applied.values()),
        "batch": opened.batch,
        "service": service,
        "again": list(again),
        "lanes": [one.delivery.lane for one in refused],
        "keys": [one.item.key if one.item is not None else None for one in refused],
        "parks_keys": [one.parks_key for one in refused],
        "causes": [one.cause.cause for one in refused],
        "sqlstates": [one.cause.sqlstate for one in refused],
        "messages": [sanitize_text(one.cause.message) for one in refused],
    }
    session.own(_SETTLE, parameters)
