"""What ``database`` asks the catalogue. Paths are arrays: the schema, then the name."""

from __future__ import annotations

ROLES = """
select rolname, rolcanlogin, rolinherit, rolconnlimit, rolsuper from pg_catalog.pg_roles where rolname = any(%(roles)s)
"""

MEMBERS = """
select role.rolname, member.rolname
from pg_catalog.pg_auth_members m
join pg_catalog.pg_roles role on role.oid = m.roleid
join pg_catalog.pg_roles member on member.oid = m.member
where member.rolname = any(%(roles)s)
"""

# Up to 15, CREATEROLE is enough to give out any role that is no superuser's; from 16 it takes the admin option.
MAY_GRANT_MONITOR = """
select rolsuper
    or (rolcreaterole and current_setting('server_version_num')::int < 160000)
    or exists (select from pg_catalog.pg_auth_members m
               where m.roleid = 'pg_monitor'::regrole and m.member = owner.oid and m.admin_option)
from pg_catalog.pg_roles owner where rolname = current_user
"""

TABLES = """
select array[n.nspname, c.relname]::text[]
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p') and not c.relispartition and n.nspname !~ '^(pg_|information_schema$)'
"""

# A domain is what it stands on, an array what its elements are.
COLUMNS = """
with recursive found (path, name, declared, declared_mod, type, mod) as (
    select array[n.nspname, c.relname]::text[], a.attname, a.atttypid, a.atttypmod, a.atttypid, a.atttypmod
    from pg_catalog.pg_attribute a
    join pg_catalog.pg_class c on c.oid = a.attrelid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where n.nspname || '.' || c.relname = any(%(tables)s) and a.attnum > 0 and not a.attisdropped
    union all
    select path, name, declared, declared_mod, case t.typtype when 'd' then t.typbasetype else t.typelem end,
           case t.typtype when 'd' then t.typtypmod else mod end
    from found join pg_catalog.pg_type t on t.oid = found.type
    where t.typtype = 'd' or t.typcategory = 'A'
)
select path, name, format_type(declared, declared_mod), case t.typtype when 'e' then 'enum' else t.typname end,
       array(select enumlabel::text from pg_catalog.pg_enum where enumtypid = t.oid order by enumsortorder),
       case when t.typname = 'numeric' and mod >= 4 then (mod - 4) & 2047 end
from found join pg_catalog.pg_type t on t.oid = found.type
where t.typtype <> 'd' and t.typcategory <> 'A'
"""

OWNED_SEQUENCES = """
select array[tn.nspname, t.relname]::text[], array[sn.nspname, s.relname]::text[]
from pg_catalog.pg_depend d
join pg_catalog.pg_class s on s.oid = d.objid and s.relkind = 'S'
join pg_catalog.pg_namespace sn on sn.oid = s.relnamespace
join pg_catalog.pg_class t on t.oid = d.refobjid
join pg_catalog.pg_namespace tn on tn.oid = t.relnamespace
where d.classid = 'pg_class'::regclass and d.refclassid = 'pg_class'::regclass and d.deptype in ('a', 'i')
"""

FUNCTIONS = """
select array['writegate', p.proname]::text[]
from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace where n.nspname = 'writegate'
"""

GRANTS = """
with rights (kind, path, acl) as (
    select 'schema', array[nspname]::text[], nspacl from pg_catalog.pg_namespace
    union all
    select case relkind when 'S' then 'sequence' else 'table' end, array[n.nspname, c.relname]::text[], relacl
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    union all
    select 'function', array[n.nspname, p.proname]::text[], proacl
    from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
)
select role.rolname, kind, path, privilege_type
from rights cross join lateral aclexplode(acl) as one
join pg_catalog.pg_roles role on role.oid = one.grantee
where role.rolname = any(%(roles)s)
"""

# Without these a crash of the server's machine loses or damages what was committed.
UNSAFE_SETTINGS = """
select name from pg_catalog.pg_settings where name in ('fsync', 'full_page_writes') and setting = 'off' order by name
"""

HAS_MIGRATIONS = "select to_regclass('writegate.migration') is not null"
MIGRATIONS = "select service, name, hash from writegate.migration"
RECORD_MIGRATION = "insert into writegate.migration (service, name, hash) values (%s, %s, %s)"
DOMAINS = "select name, tables, reason from writegate.domain"
LANES = "select service, lane, domain from writegate.lane"
HAS_RETENTIONS = "select to_regclass('writegate.service') is not null"
HAS_TASKS = """
select exists (select from pg_catalog.pg_attribute
               where attrelid = to_regclass('writegate.service') and attname = 'tasks')
"""
SERVICES = "select name, retention, tasks from writegate.service"

# What each service has decided in its retention, and in the last day. The ledger itself would take long to count.
LEDGER_ROWS = """
select s.name, s.retention, coalesce(sum(b.commands), 0)::bigint,
       coalesce(sum(b.commands) filter (where b.started_at > clock_timestamp() - interval '1 day'), 0)::bigint
from writegate.service s
left join writegate.batch b on b.service = s.name and b.started_at > clock_timestamp() - s.retention
group by s.name, s.retention order by s.name
"""
# Only of partitions that were analysed is the number of rows known.
LEDGER_BYTES = """
select coalesce(sum(pg_total_relation_size(part.oid)), 0)::bigint, coalesce(sum(part.reltuples), 0)::bigint
from pg_catalog.pg_inherits join pg_catalog.pg_class part on part.oid = inhrelid
where inhparent = 'writegate.ledger'::regclass and part.reltuples > 0
"""

# The days that add_ledger_partitions(7) makes.
MISSING_PARTITIONS = """
select count(*) from generate_series(current_date - 1, current_date + 7, interval '1 day') as of_day
where to_regclass('writegate.ledger_' || to_char(of_day, 'YYYYMMDD')) is null
"""
