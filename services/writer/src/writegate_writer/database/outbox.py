"""The SQL of the outbox: commands that handlers emitted, until the broker has confirmed them."""

from __future__ import annotations

import json
from collections.abc import Sequence

from writegate.contract.ids import ledger_id
from writegate.message.envelope import Item
from writegate_writer.database.fence import FENCE, fence_parameters
from writegate_writer.database.session import Session
from writegate_writer.decide.store import Outgoing, Owner

_FILL = """
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

    Which command was emitted by which is noted with the batch that this connection has opened.
    """
    rows = [
        (
            row.service,
            row.item.task,
            row.item.id,
            row.item.version,
            row.item.key,
            row.parent,
            row.origin,
            row.item.fields,
            ledger_id(row.parent) if row.parent is not None else None,
        )
        for row in outgoing
    ]
    services = sorted({row.service for row in outgoing})
    numbers = session.own(_FILL, [*(list(column) for column in zip(*rows, strict=True)), domain, services])
    lanes = json.loads(numbers[0][1] or "{}")
    return [
        Outgoing(seq, row.item, row.service, row.parent, row.origin, lanes.get(row.service))
        for (seq, _), row in zip(numbers, outgoing, strict=True)
    ]


_LEFTOVERS = """
SELECT seq, service, task, id::text, version, key, parent, origin, fields,
       (SELECT count(*) FROM writegate.lane l WHERE l.service = o.service)
FROM writegate.outbox o WHERE domain = %(domain)s ORDER BY seq
"""


def leftovers(session: Session, owner: Owner) -> list[Outgoing]:
    """Return what an earlier owner of a domain emitted and the broker has not confirmed, in order."""
    return [
        Outgoing(seq, Item(id_, task, version, key, bytes(fields)), service, parent, origin, lanes or None)
        for seq, service, task, id_, version, key, parent, origin, fields, lanes in session.own(
            _LEFTOVERS, fence_parameters(owner)
        )
    ]


DELETE_SENT = "DELETE FROM writegate.outbox WHERE domain = %(domain)s AND seq <= %(sent)s"
_DELETE_SENT_ALONE = f"""
BEGIN;
{FENCE};
{DELETE_SENT};
COMMIT
"""


def delete_sent(session: Session, owner: Owner, sent: int) -> None:
    """Delete from the outbox what the broker has confirmed, in a transaction of its own: no batch is there to do it."""
    session.own(_DELETE_SENT_ALONE, {**fence_parameters(owner), "sent": sent})
