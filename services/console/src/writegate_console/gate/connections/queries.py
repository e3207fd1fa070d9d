"""Queries: who is connected, and who may write without the gate."""

from __future__ import annotations

from writegate_console.gate.connections.budget import read_budget
from writegate_console.gate.connections.counts import (
    ConnectionsReport,
    DirectWriter,
    SessionCount,
    total_counts,
)
from writegate_console.gate.database import Database

_SESSIONS = """
SELECT usename AS role, application_name AS application, count(*)::int AS sessions,
       (count(*) FILTER (WHERE state LIKE 'idle in transaction%'))::int AS idle_in_transaction,
       (count(*) FILTER (WHERE wait_event_type = 'Lock'))::int AS waiting_for_locks
FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'
GROUP BY 1, 2 ORDER BY sessions DESC, 1, 2
"""
_DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
# Rights on the tables of all domains, as granted: to a role, to a group or to everybody. The owner of a table, the
# services' own roles and the writer belong to the gate: they are left out.
_DIRECT = """
SELECT r.role, n.nspname AS schema, c.relname AS name, array_agg(DISTINCT a.privilege_type ORDER BY a.privilege_type)
           AS privileges,
       (SELECT count(*)::int FROM pg_stat_activity s WHERE s.datname = current_database()
        AND s.backend_type = 'client backend' AND s.usename <> 'writegate_writer' AND s.usesysid <> c.relowner
        AND (a.grantee = 0 OR pg_has_role(s.usesysid, a.grantee, 'usage'))
        AND NOT (SELECT rolsuper FROM pg_roles WHERE oid = s.usesysid)) AS sessions
FROM (SELECT DISTINCT unnest(tables) AS path FROM writegate.domain) d
JOIN pg_namespace n ON n.nspname = split_part(d.path, '.', 1)
JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = substr(d.path, strpos(d.path, '.') + 1)
CROSS JOIN LATERAL (
    SELECT grantee, privilege_type FROM aclexplode(c.relacl)
    UNION SELECT x.grantee, x.privilege_type FROM pg_attribute t CROSS JOIN LATERAL aclexplode(t.attacl) x
    WHERE t.attrelid = c.oid AND t.attnum > 0 AND NOT t.attisdropped
) a
CROSS JOIN LATERAL (SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(a.grantee)::text END AS role) r
WHERE a.privilege_type IN ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE') AND a.grantee <> c.relowner
      AND r.role <> 'writegate_writer' AND r.role NOT LIKE 'writegate\\_service\\_%'
GROUP BY r.role, n.nspname, c.relname, c.relowner, a.grantee ORDER BY 1, 2, 3
"""


def read_sessions(database: Database) -> tuple[SessionCount, ...]:
    """Return who is connected now, by role and application."""
    return tuple(SessionCount(**row) for row in database.all(_SESSIONS))


def read_connections(database: Database) -> ConnectionsReport:
    """Return who is connected now, the budget, and who may write directly."""
    [statistics] = database.all(_DEADLOCKS)
    sessions = read_sessions(database)
    direct = tuple(DirectWriter(**{**row, "privileges": tuple(row["privileges"])}) for row in database.all(_DIRECT))
    return ConnectionsReport(read_budget(database), sessions, direct, total_counts(sessions, statistics["deadlocks"]))
