"""What the database must have for the services, and what differs. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import groupby

from writegate.contract.targets import BUILT_IN
from writegate.contract.users import READER, WRITER
from writegate_writer.handlers.domains import DeclaredDomain, domains_of
from writegate_writer.handlers.roles import role_of
from writegate_writer.handlers.writes import Writes
from writegate_writer.provision.change import Action, Change, Migration, Sql, password_variable
from writegate_writer.provision.grants import SCHEMA, Grant, Objects, Path, desired_grants
from writegate_writer.provision.lanes_diff import diff_domains

READER_CONNECTIONS = 8  # a console has three; a sampler, people at psql
NO_LIMIT = -1
MONITOR = "pg_monitor"
PARTITION_DAYS_AHEAD = 7


@dataclass(frozen=True, slots=True)
class Role:
    """Attributes of a role; ``connection_limit`` is -1 for none."""

    login: bool
    inherit: bool
    connection_limit: int
    superuser: bool = False


@dataclass(frozen=True, slots=True)
class DatabaseDesired:
    """What the services need. ``services`` are kept for the grants, which depend on what the migrations made."""

    services: tuple[Writes, ...]
    migrations: tuple[Migration, ...]
    roles: Mapping[str, Role]
    domains: tuple[DeclaredDomain, ...]


@dataclass(frozen=True, slots=True)
class DatabaseState:
    """What a database has.

    ``migrations``: hash by (service, file). ``members``: (role, member). ``domains``: tables and reason by name.
    ``lanes``: domain by (service, lane). ``missing_partitions``: days up to a week ahead without a ledger partition.
    ``recorded``: retention and tasks as recorded, by service. ``wrong_passwords``: roles whose given
    password does not log in. ``unsafe_settings``: those of the server that are off, and on which durability depends.
    ``may_grant_monitor``: whether the owner can give out ``pg_monitor``.
    """

    migrations: Mapping[tuple[str, str], str] = field(default_factory=dict)
    roles: Mapping[str, Role] = field(default_factory=dict)
    members: frozenset[tuple[str, str]] = frozenset()
    objects: Objects = field(default_factory=Objects)
    grants: frozenset[Grant] = frozenset()
    domains: Mapping[str, tuple[tuple[str, ...], str]] = field(default_factory=dict)
    lanes: Mapping[tuple[str, int], str] = field(default_factory=dict)
    missing_partitions: int = 0
    recorded: Mapping[str, tuple[timedelta, tuple[str, ...]]] = field(default_factory=dict)
    wrong_passwords: frozenset[str] = frozenset()
    may_grant_monitor: bool = False
    unsafe_settings: tuple[str, ...] = ()


def desired_database(services: Iterable[Writes], migrations: Sequence[Migration], connections: int) -> DatabaseDesired:
    """Return what ``services`` need, with ``connections`` for the whole fleet of writers."""
    services = tuple(services)
    return DatabaseDesired(
        services=services,
        migrations=tuple(migrations),
        # NOINHERIT: a writer has a service's rights only after SET ROLE.
        roles={
            WRITER: Role(login=True, inherit=False, connection_limit=connections),
            READER: Role(login=True, inherit=True, connection_limit=READER_CONNECTIONS),
            **{
                role_of(writes.service.name): Role(login=False, inherit=True, connection_limit=NO_LIMIT)
                for writes in services
            },
        },
        domains=domains_of(services),
    )


def diff_database(desired: DatabaseDesired, actual: DatabaseState) -> list[Change]:
    """Return the changes that make ``actual`` what ``desired`` is, in the order in which they can be made.

    Rights on sequences and functions that a pending migration makes show only once it has run: diff again after it.
    """
    migrations = list(_migrations(desired, actual))
    pending = any(change.step for change in migrations)
    return [
        *_unsafe_settings(actual),
        *_roles(desired, actual),
        *migrations,
        *_members(desired, actual),
        *_missing_tables(desired, actual, pending=pending),
        *_missing_grants(desired, actual, pending=pending),
        *_partitions(actual),
        *_services(desired, actual),
        *diff_domains(desired.domains, actual.domains, actual.lanes),
        # Last: until a domain is parted, writers of before write what the rights are for.
        *_undeclared_grants(desired, actual),
    ]


def missing_here(desired: DatabaseDesired, actual: DatabaseState) -> list[Change]:
    """Return the migrations that a database has had and that are not installed here, as refusals.

    Then the database is ahead of what is installed: whatever else differs may be newer there.
    """
    here = {(migration.service, migration.name) for migration in desired.migrations}
    installed = {BUILT_IN, *(writes.service.name for writes in desired.services)}
    ahead = sorted(found for found in actual.migrations.keys() - here if found[0] in installed)
    return [
        Change(
            "refused",
            "migration",
            f"{service}/{name}",
            "it was applied, and is not installed here: the database is ahead, so nothing is changed from here. "
            f"Bring {'writegate-writer' if service == BUILT_IN else service} up to date. (Was the file deleted? Put it "
            "back: a migration stays)",
        )
        for service, name in ahead
    ]


def _unsafe_settings(actual: DatabaseState) -> Iterator[Change]:
    for name in actual.unsafe_settings:
        text = (
            "it is off, so a crash of the server may lose or damage what was committed and acknowledged: "
            "set it to on in postgresql.conf and reload the server"
        )
        yield Change("refused", "server setting", name, text)


def attributes(role: Role) -> str:
    """Return a role's attributes as SQL has them."""
    text = f"{'login' if role.login else 'nologin'} {'inherit' if role.inherit else 'noinherit'}"
    return f"{text} connection limit {role.connection_limit}"


def _roles(desired: DatabaseDesired, actual: DatabaseState) -> Iterator[Change]:
    for name, role in desired.roles.items():
        there = actual.roles.get(name)
        text = attributes(role)
        if there is None:
            if role.login:
                step = Sql(f"create role {quoted(name)} {text} password %s", password_of=name)
                yield Change("create", "role", name, f"{text}, password from {password_variable(name)}", step)
            else:
                yield Change("create", "role", name, text, Sql(f"create role {quoted(name)} {text}"))
        elif there.superuser:
            yield Change("refused", "role", name, "it is a superuser, whom nothing limits: take that away, then apply")
        elif there != role:
            yield Change("change", "role", name, text, Sql(f"alter role {quoted(name)} {text}"))
        if name in actual.wrong_passwords:
            step = Sql(f"alter role {quoted(name)} password %s", password_of=name)
            yield Change("change", "role", name, f"password differs from {password_variable(name)}", step)


def _migrations(desired: DatabaseDesired, actual: DatabaseState) -> Iterator[Change]:
    for migration in desired.migrations:
        name = f"{migration.service}/{migration.name}"
        applied = actual.migrations.get((migration.service, migration.name))
        if applied is None:
            yield Change("create", "migration", name, "not applied yet", migration)
        elif applied != migration.hash:
            yield Change(
                "refused",
                "migration",
                name,
                "the file was changed after it was applied: put it back as it was, and make the change in a new file",
            )


def _members(desired: DatabaseDesired, actual: DatabaseState) -> Iterator[Change]:
    services = {role_of(writes.service.name) for writes in desired.services}
    wanted = {(role, WRITER) for role in services}
    if actual.may_grant_monitor:
        wanted.add((MONITOR, READER))
    for role, member in sorted(wanted - actual.members):
        yield Change(
            "create", "membership", member, f"member of {role}", Sql(f"grant {quoted(role)} to {quoted(member)}")
        )
    for role, member in sorted(actual.members - wanted):
        # A service's role that is a member of another has rights that were not declared.
        if member in services:
            step = Sql(f"revoke {quoted(role)} from {quoted(member)}")
            yield Change("change", "membership", member, f"no longer member of {role}", step)


def _missing_tables(desired: DatabaseDesired, actual: DatabaseState, *, pending: bool) -> Iterator[Change]:
    if pending:
        return
    for domain in desired.domains:
        for table in domain.tables:
            if tuple(table.split(".", 1)) not in actual.objects.tables:
                text = f"{' and '.join(domain.services)} declares it, but no migration makes it: add one"
                yield Change("refused", "table", table, text)


def _missing_grants(desired: DatabaseDesired, actual: DatabaseState, *, pending: bool) -> Iterator[Change]:
    wanted = desired_grants(desired.services, actual.objects)
    there = actual.objects.tables

    def can_be_granted(grant: Grant) -> bool:
        return pending or grant.kind != "table" or grant.path in there

    yield from _granting(filter(can_be_granted, wanted - actual.grants), "create", "grant", "to")


def _undeclared_grants(desired: DatabaseDesired, actual: DatabaseState) -> Iterator[Change]:
    wanted = desired_grants(desired.services, actual.objects)
    # The reader may have been given more by people; a role that writes may not.
    writing = {WRITER, *(role_of(writes.service.name) for writes in desired.services)}
    yield from _granting(
        (grant for grant in actual.grants - wanted if grant.role in writing), "change", "revoke", "from"
    )


def _granting(grants: Iterable[Grant], action: str, verb: str, preposition: str) -> Iterator[Change]:
    """One change for each role and object."""
    for (role, kind, path), group in groupby(sorted(grants), key=lambda grant: (grant.role, grant.kind, grant.path)):
        privileges = ", ".join(grant.privilege for grant in group)
        sql = f"{verb} {privileges} on {kind} {quoted_path(path)} {preposition} {quoted(role)}"
        yield Change(
            "create" if action == "create" else "change",
            "grant",
            role,
            f"{verb} {privileges} on {kind} {'.'.join(path)}",
            Sql(sql),
        )


def _partitions(actual: DatabaseState) -> Iterator[Change]:
    if actual.missing_partitions:
        step = Sql(f"select {SCHEMA}.add_ledger_partitions(%s)", (PARTITION_DAYS_AHEAD,))
        yield Change("create", "ledger partitions", f"{actual.missing_partitions} days", "ahead of their time", step)


_RECORD = """
insert into writegate.service (name, retention, tasks) values (%s, %s, %s)
on conflict (name) do update set retention = excluded.retention, tasks = excluded.tasks
"""


def _services(desired: DatabaseDesired, actual: DatabaseState) -> Iterator[Change]:
    for service in (writes.service for writes in desired.services):
        recorded, tasks = actual.recorded.get(service.name), tuple(sorted(service.commands))
        if recorded != (service.retention, tasks):
            action: Action = "create" if recorded is None else "change"
            text = f"duplicates are recognised for {service.retention / timedelta(days=1):g} days; "
            text += f"commands {', '.join(task.partition('.')[2] for task in tasks) or 'none'}"
            step = Sql(_RECORD, (service.name, service.retention, list(tasks)))
            yield Change(action, "service", service.name, text, step)


def quoted(name: str) -> str:
    """Return a name as an identifier."""
    return '"' + name.replace('"', '""') + '"'


def quoted_path(path: Path) -> str:
    """Return a qualified name."""
    return ".".join(map(quoted, path))
