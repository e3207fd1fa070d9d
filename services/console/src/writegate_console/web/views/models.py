"""What pages and API both show: each is one function, so that they never differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from writegate.contract.operations import Selection
from writegate.contract.targets import Target
from writegate_console.gate import audit, batches
from writegate_console.gate.audit import Act
from writegate_console.gate.batches import Batch
from writegate_console.gate.connections.counts import Picture
from writegate_console.gate.connections.queries import look as look_at_connections
from writegate_console.gate.database import Row
from writegate_console.gate.overview import Overview
from writegate_console.gate.parked import search as parked
from writegate_console.gate.parked.queries import find as find_parked
from writegate_console.gate.parked.search import Group
from writegate_console.gate.reader import DatabaseAway
from writegate_console.gate.service_rows import ServiceRow
from writegate_console.gate.trace import emitted
from writegate_console.gate.trace.emitted import Branch
from writegate_console.gate.trace.queries import find
from writegate_console.gate.trace.story import Event, events
from writegate_console.web.state.live import Seen
from writegate_console.web.state.state import State

_SERVICE = """
SELECT tasks, retention::text AS retention, (
    SELECT array_agg(DISTINCT t.path ORDER BY t.path) FROM writegate.lane l
    JOIN writegate.domain d ON d.name = l.domain CROSS JOIN LATERAL unnest(d.tables) t (path) WHERE l.service = s.name
) AS tables
FROM writegate.service s WHERE name = %(service)s
"""
_DOMAINS = "SELECT name, tables FROM writegate.domain"
_ACTS = 10


@dataclass(frozen=True, slots=True)
class ServicePage:
    """All about one service."""

    row: ServiceRow
    tasks: Sequence[str]
    tables: Sequence[str]
    retention: str | None
    batches: Sequence[Batch]
    parked: Sequence[Group]
    deferred: Sequence[Row]
    holds: Sequence[Row]
    audit: Sequence[Act]


@dataclass(frozen=True, slots=True)
class CommandPage:
    """All about one command. ``anything``: whether something is known but its id. ``parked``: under which numbers."""

    id: str
    anything: bool
    events: Sequence[Event]
    tree: Sequence[Branch]
    parked: Sequence[int]


def present(state: State) -> tuple[Seen, Overview]:
    """Return the newest look. Raises :class:`DatabaseAway` when there has been none."""
    seen = state.live.now()
    if seen.overview is None:
        raise DatabaseAway(seen.database or "the database has not answered yet")
    return seen, seen.overview


def service(state: State, name: str) -> ServicePage | None:
    """Return all about a service, None when there is none of that name."""
    _, overview = present(state)
    row = next((one for one in overview.services if one.service == name), None)
    if row is None:
        return None
    [declared] = state.reader.all(_SERVICE, {"service": name}) or [{"tasks": [], "tables": [], "retention": None}]
    tables: Sequence[str] = declared["tables"] or []
    of_tables = {str(Target(table=table)) for table in tables}
    return ServicePage(
        row=row,
        tasks=declared["tasks"],
        tables=tables,
        retention=declared["retention"],
        batches=batches.recent(state.reader, name),
        parked=parked.groups(state.reader, Selection(service=name)),
        deferred=[one for one in overview.deferred if one["service"] == name],
        holds=[one for one in overview.holds if one["target"] in row.holds or one["target"] in of_tables],
        audit=audit.newest(state.reader, _ACTS, target=name),
    )


def command(state: State, id_: str) -> CommandPage:
    """Return all about a command."""
    found = find(state.reader, id_)
    numbers = [row["number"] for row in find_parked(state.reader, id_)] if not id_.isdecimal() else []
    tree = emitted.around(state.reader, id_)
    return CommandPage(
        id=id_,
        anything=found.anything or len(tree) > 1 or bool(numbers),
        events=events(found) if found.anything else [],
        tree=tree,
        parked=numbers,
    )


def domains(state: State) -> Mapping[str, Sequence[str]]:
    """Return the tables of each domain."""
    return {row["name"]: row["tables"] for row in state.reader.all(_DOMAINS)}


def connections(state: State) -> Picture:
    """Return who is connected, and who may write directly."""
    return look_at_connections(state.reader)
