"""Which commands follow from which: the tree around one command, as far as it is known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from writegate.contract.ids import ledger_id
from writegate_console.gate.database import Database, Row
from writegate_console.gate.trace.queries import emitted

_MOST_STEPS = 20

# What was applied at once is known by its parent's batch only; what waits, was set aside or was parked tells more.
_PARENT = """
SELECT headers ->> 'parent_id' AS parent FROM writegate.parked WHERE service = ANY(%(services)s) AND id = %(id)s
UNION SELECT headers ->> 'parent_id' FROM writegate.deferred
    WHERE service = ANY(%(services)s) AND ledger_id = %(ledger_id)s::uuid
UNION SELECT parent FROM writegate.outbox WHERE id = %(ledger_id)s::uuid
"""
_CHILDREN = """
SELECT parent, id::text AS id, service, task, 'not sent yet' AS state FROM writegate.outbox
    WHERE parent = ANY(%(ids)s)
UNION SELECT headers ->> 'parent_id', id, service, task, state FROM writegate.deferred
    WHERE headers ->> 'parent_id' = ANY(%(ids)s)
UNION SELECT headers ->> 'parent_id', id, service, task, state FROM writegate.parked
    WHERE headers ->> 'parent_id' = ANY(%(ids)s)
ORDER BY service, id
"""


@dataclass(frozen=True, slots=True)
class Branch:
    """One command of the tree. ``state``: what its last row says; None when nothing but its id is known."""

    depth: int
    id: str
    service: str | None = None
    task: str | None = None
    state: str | None = None


def around(database: Database, id_: str) -> list[Branch]:
    """Return the commands from which this one follows and those that follow from it, parents first."""
    above = list(reversed(list(_above(database, id_))))
    known: dict[str, list[Branch]] = {}
    level = [id_]
    for _ in range(_MOST_STEPS):
        rows = _children(database, level)
        for row in rows:
            known.setdefault(row["parent"], []).append(
                Branch(0, row["id"], row["service"], row.get("task"), row["state"])
            )
        level = [row["id"] for row in rows if row["id"] not in known]
        if not level:
            break
    top = [Branch(depth, one) for depth, one in enumerate(above)]
    return [*top, *_below(known, Branch(len(above), id_), len(above), set())]


def _children(database: Database, ids: Sequence[str]) -> list[Row]:
    found = {row["id"]: row for row in emitted(database, ids)}
    return list((found | {row["id"]: row for row in database.all(_CHILDREN, {"ids": list(ids)})}).values())


def _above(database: Database, id_: str) -> Iterator[str]:
    services = database.services()
    seen = {id_}
    for _ in range(_MOST_STEPS):
        parameters = {"id": id_, "ledger_id": ledger_id(id_), "services": services}
        parents: Sequence[str] = [row["parent"] for row in database.all(_PARENT, parameters) if row["parent"]]
        if not parents or parents[0] in seen:
            return
        id_ = parents[0]
        seen.add(id_)
        yield id_


def _below(known: dict[str, list[Branch]], branch: Branch, depth: int, placed: set[str]) -> Iterator[Branch]:
    if branch.id in placed:
        return
    placed.add(branch.id)
    yield Branch(depth, branch.id, branch.service, branch.task, branch.state)
    for child in known.get(branch.id, ()):
        yield from _below(known, child, depth + 1, placed)
