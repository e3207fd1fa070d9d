"""What pages and API both show: one function each, so that they never differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from writegate.contract.operations import PARKED, Selection
from writegate.contract.targets import Target
from writegate_console.gate.audit import AuditEntry, newest_entries
from writegate_console.gate.batches import Batch, recent_batches
from writegate_console.gate.database import Row
from writegate_console.gate.declared import declared_service
from writegate_console.gate.kept.listing import full_rows
from writegate_console.gate.kept.search import KeptGroup, count_groups
from writegate_console.gate.overview.queries import Overview
from writegate_console.gate.overview.services import ServiceRow
from writegate_console.gate.reader import DatabaseUnavailable, Reader
from writegate_console.gate.trace.queries import command_rows
from writegate_console.gate.trace.story import Event, events_of
from writegate_console.gate.trace.tree import TreeNode, command_tree
from writegate_console.web.state.live import Snapshot
from writegate_console.web.state.shared import Place, SharedState

_AUDIT_ENTRIES = 10


@dataclass(frozen=True, slots=True)
class ServicePage:
    """All about one service."""

    row: ServiceRow
    tasks: Sequence[str]
    tables: Sequence[str]
    retention: str | None
    batches: Sequence[Batch]
    parked: Sequence[KeptGroup]
    deferred: Sequence[Row]
    holds: Sequence[Row]
    audit: Sequence[AuditEntry]


@dataclass(frozen=True, slots=True)
class CommandPage:
    """All about one command. ``anything``: whether more than its id is known.

    ``parked``, ``deferred``: the numbers that it has there.
    """

    id: str
    anything: bool
    events: Sequence[Event]
    tree: Sequence[TreeNode]
    parked: Sequence[int]
    deferred: Sequence[int]


def current_overview(state: SharedState) -> tuple[Snapshot, Overview]:
    """Return the newest overview. Raises :class:`DatabaseUnavailable` when none was read yet."""
    snapshot = state.live.current()
    if snapshot.overview is None:
        raise DatabaseUnavailable(snapshot.database or "the database has not answered yet")
    return snapshot, snapshot.overview


def service_page(state: SharedState, place: Place, name: str) -> ServicePage | None:
    """Return all about a service, None when there is none of that name."""
    _, overview = current_overview(state)
    row = next((row for row in overview.services if row.service == name), None)
    if row is None:
        return None
    declared = declared_service(place.reader, name)
    table_targets = {str(Target(table=table)) for table in declared.tables}
    return ServicePage(
        row=row,
        tasks=declared.tasks,
        tables=declared.tables,
        retention=declared.retention,
        batches=recent_batches(place.reader, name),
        parked=count_groups(place.reader, PARKED, Selection(service=name)),
        deferred=[group for group in overview.deferred if group["service"] == name],
        holds=[hold for hold in overview.holds if hold["target"] in row.holds or hold["target"] in table_targets],
        audit=newest_entries(place.reader, _AUDIT_ENTRIES, target=name),
    )


def command_page(reader: Reader, id_: str) -> CommandPage:
    """Return all about a command."""
    rows = command_rows(reader, id_)
    numbers = [row["number"] for row in full_rows(reader, PARKED, id_)] if not id_.isdecimal() else []
    tree = command_tree(reader, id_)
    return CommandPage(
        id=id_,
        anything=rows.anything or len(tree) > 1 or bool(numbers),
        events=events_of(rows) if rows.anything else [],
        tree=tree,
        parked=numbers,
        deferred=[row["number"] for row in rows.deferred],
    )
