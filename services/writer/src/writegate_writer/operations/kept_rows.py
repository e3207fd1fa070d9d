"""Reading a page of parked or deferred commands, and locking their domains while an operation changes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from sqlalchemy import Connection

from writegate.contract.operations import PARKED, KeptTable, Selection
from writegate_writer.errors import SERIALIZATION_FAILURE, DatabaseFault
from writegate_writer.handlers.loading import load_services
from writegate_writer.handlers.writes import Writes

Lane = tuple[str, int]

# A domain is usually between two batches within this time. Otherwise the operation is tried again later, so that it
# does not make batches wait for long.
_LOCK = """
SET LOCAL lock_timeout = '2s';
SELECT name FROM writegate.domain
WHERE name IN (SELECT domain FROM writegate.lane
               WHERE (service, lane) IN (SELECT * FROM unnest(%s::text[], %s::int[])))
ORDER BY name FOR UPDATE
"""
_LANES = """
SELECT service, lane, domain FROM writegate.lane
WHERE (service, lane) IN (SELECT * FROM unnest(%s::text[], %s::int[]))
"""
_REVISED = "UPDATE writegate.domain SET revision = revision + 1 WHERE name = ANY(%s)"
_MOST_BYTES = 8 * 1024 * 1024  # of bodies in one page: it limits the memory that a page takes
_PAGE = """
SELECT number, service, lane, id, task, version, key, hash, parks_key, cause, raw
FROM (SELECT *, sum(octet_length(raw)) OVER (ORDER BY number) - octet_length(raw) AS bytes_before
      FROM (SELECT {number} AS number, service, lane, id, task, version, key, hash, {parks_key} AS parks_key,
                   {cause} AS cause, raw
            FROM writegate.{table} AS kept
            WHERE {undecided} AND {number} > %(after)s AND {number} <= coalesce(%(up_to)s, {number}) AND {condition}
            ORDER BY {number} LIMIT %(limit)s) page) page
WHERE bytes_before < %(bytes)s ORDER BY number
"""


@dataclass(frozen=True, slots=True)
class KeptRow:
    """A parked or deferred command. ``lane``, ``task`` and ``version`` are None when they could not be read.

    ``parks_key``: later commands of its key wait for it because it is parked.
    """

    number: int
    service: str
    lane: int | None
    id: str
    task: str | None
    version: int | None
    key: str | None
    hash: int
    parks_key: bool
    cause: str
    raw: bytes


def page(  # noqa: PLR0913, PLR0917  which table, and which part of it
    connection: Connection,
    kept: KeptTable,
    selection: Selection,
    limit: int,
    after: int = 0,
    up_to: int | None = None,
) -> list[KeptRow]:
    """Return the first commands of a selection about which nobody has decided, oldest first; fewer when they are large.

    Nothing needs to be locked for parked ones: only actions take commands out of that state, and they are serial. The
    owner of a domain may decide about a deferred one until :func:`lock`.
    """
    condition, parameters = selection.sql(kept)
    query = _PAGE.format(
        table=kept.name,
        number=kept.number,
        cause=kept.cause,
        undecided=kept.undecided,
        parks_key="parks_key" if kept is PARKED else "false",
        condition=condition,
    )
    rows = connection.exec_driver_sql(
        query, {**parameters, "after": after, "up_to": up_to, "limit": limit, "bytes": _MOST_BYTES}
    )
    return [KeptRow(**{**row, "raw": bytes(row["raw"])}) for row in rows.mappings()]


def lock(connection: Connection, lanes: Iterable[Lane]) -> dict[Lane, str]:
    """Lock the domains of these lanes until the transaction ends, so that no batch runs; return each lane's domain.

    Locks are taken in the order of names, as `apply` does, which avoids deadlocks. A lane that does not exist is left
    out. Raises a conflict when `apply` moves lanes to other domains at the same time.
    """
    given = sorted(set(lanes))
    columns = ([service for service, _ in given], [lane for _, lane in given])
    locked = {name for (name,) in connection.exec_driver_sql(_LOCK, columns)}
    # In a statement of its own: its snapshot must not be older than the locks.
    found = {(service, lane): domain for service, lane, domain in connection.exec_driver_sql(_LANES, columns)}
    if not locked.issuperset(found.values()):
        raise DatabaseFault(SERIALIZATION_FAILURE, "lanes were given to other domains meanwhile")
    return found


def revise(connection: Connection, domains: Iterable[str]) -> None:
    """Increment the revision of these domains, so that their owners read their deferred commands again."""
    connection.exec_driver_sql(_REVISED, (sorted(set(domains)),))


@cache
def installed() -> Mapping[str, Writes]:
    """Return the services that are installed with this writer."""
    return load_services()
