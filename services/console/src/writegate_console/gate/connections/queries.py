"""Queries: who is connected, and who may write without the gate."""

from __future__ import annotations

from typing import Any

from writegate.contract.targets import BUILT_IN
from writegate_console.gate.connections.budget import read_budget
from writegate_console.gate.connections.counts import (
    ConnectionsReport,
    DirectWriter,
    SessionCount,
    total_counts,
)
from writegate_console.gate.connections.ways import DirectSession, PrivilegedRole, TableWrites
from writegate_console.gate.database import Database, Row

RECENT_BATCHES = 50_000  # of the gate: days of a quiet one, minutes of the busiest

_SESSIONS = """
SELECT usename AS role, application_name AS application, count(*)::int AS sessions,
       (count(*) FILTER (WHERE state LIKE 'idle in transaction%'))::int AS idle_in_transaction,
       (count(*) FILTER (WHERE wait_event_type = 'Lock'))::int AS waiting_for_locks
FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'
GROUP BY 1, 2 ORDER BY sessions DESC, 1, 2
"""
_DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
_TABLES = """
tables AS MATERIALIZED (
    SELECT c.oid, c.relowner, c.relacl, n.nspname AS schema, c.relname AS name, d.path, d.domain
    FROM (SELECT DISTINCT unnest(tables) AS path, name AS domain FROM writegate.domain WHERE name <> %(own)s) d
    JOIN pg_namespace n ON n.nspname = split_part(d.path, '.', 1)
    JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = substr(d.path, strpos(d.path, '.') + 1)
)
"""
# Rights as granted: to a role, to a group or to everybody. The services' own roles and the writer belong to the gate.
_DIRECT = f"""
WITH {_TABLES}
SELECT r.role, t.schema, t.name, array_agg(DISTINCT a.privilege_type ORDER BY a.privilege_type) AS privileges,
       (SELECT count(*)::int FROM pg_stat_activity s WHERE s.datname = current_database()
        AND s.backend_type = 'client backend' AND s.usename <> 'writegate_writer' AND s.usesysid <> t.relowner
        AND (a.grantee = 0 OR pg_has_role(s.usesysid, a.grantee, 'usage'))
        AND NOT (SELECT rolsuper FROM pg_roles WHERE oid = s.usesysid)) AS sessions
FROM (SELECT DISTINCT oid, relowner, relacl, schema, name FROM tables) t
CROSS JOIN LATERAL (
    SELECT grantee, privilege_type FROM aclexplode(t.relacl)
    UNION SELECT x.grantee, x.privilege_type FROM pg_attribute c CROSS JOIN LATERAL aclexplode(c.attacl) x
    WHERE c.attrelid = t.oid AND c.attnum > 0 AND NOT c.attisdropped
) a
CROSS JOIN LATERAL (SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(a.grantee)::text END AS role) r
WHERE a.privilege_type IN ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE') AND a.grantee <> t.relowner
      AND r.role <> 'writegate_writer' AND r.role NOT LIKE 'writegate\\_service\\_%%'
GROUP BY r.role, t.schema, t.name, t.relowner, a.grantee ORDER BY 1, 2, 3
"""  # noqa: S608  of constants
# Whoever may become another role has its rights: from PostgreSQL 16 on, only a membership with SET or INHERIT counts.
_MAY_BECOME = """
CASE WHEN current_setting('server_version_num')::int < 160000 THEN pg_has_role(r.oid, o.oid, 'member')
     ELSE pg_has_role(r.oid, o.oid, 'usage') OR pg_has_role(r.oid, o.oid, 'set') END
"""
_PRIVILEGED = f"""
WITH {_TABLES}, able AS (
    SELECT t.path, o.oid, o.rolname FROM tables t JOIN pg_roles o ON o.oid = t.relowner
    UNION
    SELECT t.path, o.oid, o.rolname FROM tables t JOIN pg_roles o
    ON has_table_privilege(o.oid, t.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
    WHERE o.rolname = 'writegate_writer' OR o.rolname LIKE 'writegate\\_service\\_%%' OR o.rolname = 'pg_write_all_data'
), ways AS (
    SELECT oid, 'superuser' AS how, NULL AS through, array[]::text[] AS tables FROM pg_roles WHERE rolsuper
    UNION ALL
    SELECT r.oid, CASE r.oid WHEN o.oid THEN 'owner' ELSE 'member' END,
           CASE WHEN r.oid <> o.oid THEN o.rolname::text END, array_agg(DISTINCT o.path ORDER BY o.path)
    FROM able o JOIN pg_roles r ON {_MAY_BECOME} WHERE NOT r.rolsuper GROUP BY r.oid, o.oid, o.rolname
)
SELECT r.rolname AS role, w.how, w.through, w.tables, count(s.pid)::int AS sessions,
       coalesce(array_agg(DISTINCT s.application_name) FILTER (WHERE s.pid IS NOT NULL), '{{}}') AS applications,
       r.oid = (SELECT nspowner FROM pg_namespace WHERE nspname = 'writegate') AS gate_owner
FROM ways w JOIN pg_roles r USING (oid) LEFT JOIN pg_stat_activity s
ON s.usesysid = r.oid AND s.datname = current_database() AND s.backend_type = 'client backend'
WHERE r.rolcanlogin AND r.rolname <> 'writegate_writer'
GROUP BY r.oid, r.rolname, w.how, w.through, w.tables ORDER BY gate_owner, sessions DESC, 1, 3
"""  # noqa: S608  of constants
# Statements that write take this lock, and keep it until their transaction ends.
_WRITING = f"""
WITH {_TABLES}
SELECT DISTINCT s.pid, s.usename AS role, s.application_name AS application, t.path AS table
FROM pg_locks l JOIN tables t ON t.oid = l.relation JOIN pg_stat_activity s USING (pid)
WHERE l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND l.mode = 'RowExclusiveLock' AND l.granted AND s.usename <> 'writegate_writer'
      AND s.backend_type = 'client backend' ORDER BY 1, 4
"""  # noqa: S608  of constants
_WRITTEN = f"""
WITH {_TABLES}, recent AS MATERIALIZED (
    SELECT domain, sum(commands)::bigint AS commands FROM writegate.batch
    WHERE id > (SELECT max(id) FROM writegate.batch) - %(batches)s GROUP BY domain
)
SELECT t.path AS table, s.n_tup_ins AS inserted, s.n_tup_upd AS updated, s.n_tup_del AS deleted,
       coalesce(sum(r.commands), 0)::bigint AS commands,
       (SELECT stats_reset FROM pg_stat_database WHERE datname = current_database()) AS since
FROM tables t JOIN pg_stat_user_tables s ON s.relid = t.oid LEFT JOIN recent r USING (domain)
GROUP BY 1, 2, 3, 4 ORDER BY 1
"""  # noqa: S608  of constants


def read_sessions(database: Database) -> tuple[SessionCount, ...]:
    """Return who is connected now, by role and application."""
    return tuple(SessionCount(**row) for row in database.all(_SESSIONS))


def read_connections(database: Database) -> ConnectionsReport:
    """Return who is connected now, the budget, and who writes or may write without the gate."""
    [statistics] = database.all(_DEADLOCKS)
    sessions = read_sessions(database)
    own = {"own": BUILT_IN, "batches": RECENT_BATCHES}
    return ConnectionsReport(
        writers=read_budget(database),
        sessions=sessions,
        direct=tuple(DirectWriter(**_with_tuples(row)) for row in database.all(_DIRECT, own)),
        privileged=tuple(PrivilegedRole(**_with_tuples(row)) for row in database.all(_PRIVILEGED, own)),
        writing=tuple(DirectSession(**row) for row in database.all(_WRITING, own)),
        written=tuple(TableWrites(**row) for row in database.all(_WRITTEN, own)),
        counters=total_counts(sessions, statistics["deadlocks"]),
    )


def _with_tuples(row: Row) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in row.items()}
