"""Which commands follow from which: the tree around one command, as far as it is known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from writegate.contract.ids import ledger_id
from writegate_console.gate.database import Database, Row
from writegate_console.gate.trace.queries import emitted_commands

_MAX_LEVELS = 20

# The parent of a command that was applied at once is known by the parent's batch only; rows of commands that wait in
# the outbox, were deferred or were parked name it.
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
class TreeNode:
    """One command of the tree. ``state``: of its newest row; None when nothing but its id is known."""

    depth: int
    id: str
    service: str | None = None
    task: str | None = None
    state: str | None = None


def command_tree(database: Database, id_: str) -> list[TreeNode]:
    """Return the commands from which this one follows and those that follow from it, parents first."""
    ancestors = list(reversed(list(_ancestors(database, id_))))
    children: dict[str, list[TreeNode]] = {}
    level = [id_]
    for _ in range(_MAX_LEVELS):
        rows = _children(database, level)
        for row in rows:
            node = TreeNode(0, row["id"], row["service"], row.get("task"), row["state"])
            children.setdefault(row["parent"], []).append(node)
        level = [row["id"] for row in rows if row["id"] not in children]
        if not level:
            break
    top = [TreeNode(depth, ancestor) for depth, ancestor in enumerate(ancestors)]
    return [*top, *_descendants(children, TreeNode(len(ancestors), id_), len(ancestors), set())]


def _children(database: Database, ids: Sequence[str]) -> list[Row]:
    found = {row["id"]: row for row in emitted_commands(database, ids)}
    return list((found | {row["id"]: row for row in database.all(_CHILDREN, {"ids": list(ids)})}).values())


def _ancestors(database: Database, id_: str) -> Iterator[str]:
    services = database.services()
    seen = {id_}
    for _ in range(_MAX_LEVELS):
        parameters = {"id": id_, "ledger_id": ledger_id(id_), "services": services}
        parents: Sequence[str] = [row["parent"] for row in database.all(_PARENT, parameters) if row["parent"]]
        if not parents or parents[0] in seen:
            return
        id_ = parents[0]
        seen.add(id_)
        yield id_


def _descendants(
    children: dict[str, list[TreeNode]], node: TreeNode, depth: int, placed: set[str]
) -> Iterator[TreeNode]:
    if node.id in placed:
        return
    placed.add(node.id)
    yield TreeNode(depth, node.id, node.service, node.task, node.state)
    for child in children.get(node.id, ()):
        yield from _descendants(children, child, depth + 1, placed)
