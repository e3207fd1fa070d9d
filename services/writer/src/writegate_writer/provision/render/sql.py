"""The whole desired database as one script for ``psql``, to be run by its owner, as often as people like.

It adds what is missing and takes nothing away. What only `apply` can do safely stops it with an error: another number
of lanes, lanes that go to other domains, a migration that was changed after it ran.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from writegate.contract.targets import BUILT_IN
from writegate.contract.users import READER, WRITER
from writegate_writer.handlers.domains import DeclaredDomain
from writegate_writer.handlers.roles import role_of
from writegate_writer.provision.change import Migration
from writegate_writer.provision.database import LOCK_MILLIS
from writegate_writer.provision.database_diff import (
    MONITOR,
    PARTITION_DAYS_AHEAD,
    DatabaseDesired,
    attributes,
    quoted,
    quoted_path,
)
from writegate_writer.provision.grants import SCHEMA, Objects, desired_grants

_HEAD = rf"""-- Made by `writegate plan --render sql`. Passwords are not in it: \password ROLE sets one.
\set ON_ERROR_STOP on
set lock_timeout = {LOCK_MILLIS};
set client_min_messages = warning;
"""
# What is installed where this was made may be older than the database.
_CURRENT = r"""
select to_regclass('writegate.migration') is not null as recorded \gset
\if :recorded
do $$ declare ahead text; begin
    select string_agg(service || '/' || name, ', ') into ahead from writegate.migration
    where service = any({services}) and (service, name) not in (values {migrations});
    if ahead is not null then
        raise exception 'the database is ahead of this script: it has had the migrations %', ahead;
    end if;
end $$;
\endif
"""
_ROLE = r"""
select not exists (select from pg_roles where rolname = {text}) as missing \gset
\if :missing
create role {name};
\endif
alter role {name} {attributes};
"""
# Before the first file of ours there is no table of records.
_MIGRATION = r"""
select to_regclass('writegate.migration') is null as first \gset
\if :first
select true as pending, false as changed \gset
\else
select count(*) = 0 as pending, coalesce(bool_or(hash <> {hash}), false) as changed
from writegate.migration where service = {service} and name = {name} \gset
\endif
\if :changed
do $$ begin raise exception 'migration %/% was changed after it was applied', {service}, {name}; end $$;
\endif
\if :pending
begin;
{sql}
;
insert into writegate.migration (service, name, hash) values ({service}, {name}, {hash});
commit;
\endif
"""
# Granting pg_monitor may be forbidden here: without it the reader sees less of other sessions.
_MONITOR = f"""
do $$ begin grant {MONITOR} to {READER}; exception when insufficient_privilege then null; end $$;
"""
# Sequences come with the tables that the migrations make.
_SEQUENCES = """
do $$ declare owned record; begin
    for owned in
        select given.role, s.oid::regclass as sequence
        from (values {tables}) as given (role, name)
        join pg_depend d on d.refobjid = given.name::regclass and d.refclassid = 'pg_class'::regclass
             and d.classid = 'pg_class'::regclass and d.deptype in ('a', 'i')
        join pg_class s on s.oid = d.objid and s.relkind = 'S'
    loop
        execute format('grant usage on sequence %s to %I', owned.sequence, owned.role);
    end loop;
end $$;
"""
_SERVICE = """
insert into writegate.service (name, retention, tasks) values ({name}, interval '{seconds} seconds', {tasks})
on conflict (name) do update set retention = excluded.retention, tasks = excluded.tasks
where (service.retention, service.tasks) is distinct from (excluded.retention, excluded.tasks);
"""
_DOMAINS = """
begin;
create temporary table desired_lane (service text, lane int, domain text) on commit drop;
insert into desired_lane values {lanes};
do $$ declare differing text; begin
    select string_agg(distinct service, ', ') into differing from (
        select service from desired_lane d join writegate.lane l using (service, lane) where l.domain <> d.domain
        union all
        select service from (select service, count(*) as lanes from desired_lane group by service) wanted
        join (select service, count(*) as lanes from writegate.lane group by service) found using (service)
        where wanted.lanes <> found.lanes) as found;
    if differing is not null then
        raise exception 'the lanes of % change: only `writegate apply` can do that while they are in use', differing;
    end if;
end $$;
insert into writegate.domain (name, tables, reason) values {domains}
on conflict (name) do update set tables = excluded.tables, reason = excluded.reason
where (domain.tables, domain.reason) is distinct from (excluded.tables, excluded.reason);
insert into writegate.lane (service, lane, domain) select service, lane, domain from desired_lane
on conflict (service, lane) do nothing;
commit;
"""


def sql(desired: DatabaseDesired) -> str:
    """Return the script."""
    return "".join(_parts(desired))


def _parts(desired: DatabaseDesired) -> Iterator[str]:
    yield _HEAD
    yield _CURRENT.format(
        services=_array([BUILT_IN, *(writes.service.name for writes in desired.services)]),
        migrations=_rows((_literal(migration.service), _literal(migration.name)) for migration in desired.migrations),
    )
    for name, role in desired.roles.items():
        yield _ROLE.format(text=_literal(name), name=quoted(name), attributes=attributes(role))
    for migration in desired.migrations:
        yield _migration(migration)
    yield from (f"grant {quoted(role_of(writes.service.name))} to {quoted(WRITER)};\n" for writes in desired.services)
    yield _MONITOR
    yield from _grants(desired)
    for service in (writes.service for writes in desired.services):
        yield _SERVICE.format(
            name=_literal(service.name),
            seconds=service.retention.total_seconds(),
            tasks=_array(sorted(service.commands)),
        )
    yield f"select {SCHEMA}.add_ledger_partitions({PARTITION_DAYS_AHEAD});\n"
    yield _domains(desired.domains)


def _migration(migration: Migration) -> str:
    texts = {"service": migration.service, "name": migration.name, "hash": migration.hash}
    return _MIGRATION.format(sql=migration.sql, **{name: _literal(text) for name, text in texts.items()})


def _grants(desired: DatabaseDesired) -> Iterator[str]:
    # What hangs on the outcome of the migrations is left to the database: it has run them by then.
    grants = sorted(desired_grants(desired.services, Objects()))
    for grant in grants:
        yield f"grant {grant.privilege} on {grant.kind} {quoted_path(grant.path)} to {quoted(grant.role)};\n"
    yield f"grant execute on all functions in schema {SCHEMA} to {WRITER};\n"
    yield f"grant select on all tables in schema {SCHEMA} to {READER};\n"
    tables = {
        (grant.role, quoted_path(grant.path))
        for grant in grants
        if (grant.kind, grant.privilege) == ("table", "INSERT")
    }
    yield _SEQUENCES.format(tables=_rows((_literal(role), _literal(table)) for role, table in sorted(tables)))


def _domains(domains: Iterable[DeclaredDomain]) -> str:
    domains = list(domains)
    lanes = _rows(
        (_literal(service), str(lane), _literal(domain.name)) for domain in domains for service, lane in domain.lanes
    )
    rows = _rows((_literal(domain.name), _array(domain.tables), _literal(domain.reason)) for domain in domains)
    return _DOMAINS.format(lanes=lanes, domains=rows)


def _rows(rows: Iterable[tuple[str, ...]]) -> str:
    return ", ".join(f"({', '.join(row)})" for row in rows)


def _array(texts: Iterable[str]) -> str:
    return f"array[{', '.join(map(_literal, texts))}]::text[]"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
