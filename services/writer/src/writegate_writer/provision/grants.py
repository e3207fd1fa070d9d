"""Who may do what in the database. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from writegate.contract.targets import BUILT_IN
from writegate.contract.users import READER, WRITER
from writegate_writer.handlers.domains import table_name
from writegate_writer.handlers.roles import role_of
from writegate_writer.handlers.writes import Writes

Kind = Literal["schema", "table", "sequence", "function"]
Path = tuple[str, ...]

SCHEMA = "writegate"
_CHANGE = ("SELECT", "INSERT", "UPDATE", "DELETE")
_KEEP = ("SELECT", "INSERT", "UPDATE")
# What a writer does with each of Writegate's tables. Only what comes and goes is ever deleted: the rest is the record.
_WRITER_RIGHTS: Mapping[str, tuple[str, ...]] = {
    "audit": _KEEP,
    "batch": _KEEP,
    "deferred": _CHANGE,
    "domain": _KEEP,
    "emission": _KEEP,
    "history": _KEEP,
    "hold": _CHANGE,
    "lane": _KEEP,
    "ledger": _KEEP,
    "migration": ("SELECT",),
    "outbox": _CHANGE,
    "parked": _KEEP,
    "recent": _KEEP,
    "removal": ("SELECT", "DELETE"),
    "service": ("SELECT",),
    "suspect": _CHANGE,
}
# What people's actions do with them, under the built-in service's role.
_OPERATOR_RIGHTS: Mapping[str, tuple[str, ...]] = {
    "audit": ("SELECT", "INSERT"),
    "deferred": ("SELECT", "INSERT", "UPDATE"),
    "domain": ("SELECT", "UPDATE"),
    "hold": _CHANGE,
    "lane": ("SELECT",),
    "ledger": ("SELECT",),
    "parked": ("SELECT", "UPDATE"),
    "removal": _CHANGE,
    "service": ("SELECT",),
}


@dataclass(frozen=True, slots=True, order=True)
class Grant:
    """``role`` has ``privilege`` on the object at ``path``: its schema and, but for a schema, its name."""

    role: str
    kind: Kind
    path: Path
    privilege: str


@dataclass(frozen=True, slots=True)
class Objects:
    """What there is to grant on. ``sequences``: owned ones by their table. ``functions``: those of our schema."""

    tables: frozenset[Path] = frozenset()
    sequences: Mapping[Path, frozenset[Path]] = field(default_factory=dict)
    functions: frozenset[Path] = frozenset()


def desired_grants(services: Iterable[Writes], objects: Objects) -> frozenset[Grant]:
    """Return the rights that writer, reader and each service's role must have."""
    declared = {writes.service.name: {_path(table_name(table)) for table in writes.tables} for writes in services}
    grants = set(_writer(objects))
    for service, tables in declared.items():
        if service == BUILT_IN:
            grants |= set(_on_own(role_of(service), _OPERATOR_RIGHTS, objects))
        else:
            grants |= set(_service(role_of(service), tables, objects))
    own = {(SCHEMA, name) for name in _WRITER_RIGHTS} | {path for path in objects.tables if path[0] == SCHEMA}
    return frozenset(grants | set(_reader(own.union(*declared.values()))))


def _on_own(role: str, rights: Mapping[str, tuple[str, ...]], objects: Objects) -> Iterator[Grant]:
    yield Grant(role, "schema", (SCHEMA,), "USAGE")
    for name, privileges in rights.items():
        for privilege in privileges:
            yield Grant(role, "table", (SCHEMA, name), privilege)
        for sequence in objects.sequences.get((SCHEMA, name), ()) if "INSERT" in privileges else ():
            yield Grant(role, "sequence", sequence, "USAGE")


def _writer(objects: Objects) -> Iterator[Grant]:
    yield from _on_own(WRITER, _WRITER_RIGHTS, objects)
    for function in objects.functions:
        yield Grant(WRITER, "function", function, "EXECUTE")


def _service(role: str, tables: Iterable[Path], objects: Objects) -> Iterator[Grant]:
    for table in tables:
        yield Grant(role, "schema", table[:1], "USAGE")
        for privilege in _CHANGE:
            yield Grant(role, "table", table, privilege)
        for sequence in objects.sequences.get(table, ()):
            yield Grant(role, "sequence", sequence, "USAGE")


def _reader(tables: Iterable[Path]) -> Iterator[Grant]:
    for table in tables:
        yield Grant(READER, "schema", table[:1], "USAGE")
        yield Grant(READER, "table", table, "SELECT")


def _path(name: str) -> Path:
    return tuple(name.split(".", 1))
