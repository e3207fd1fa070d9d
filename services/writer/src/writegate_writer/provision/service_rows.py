"""What the database has of one service, and forgetting it."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg2
from psycopg2 import errors
from psycopg2.extensions import connection

from writegate_writer.handlers.roles import role_of
from writegate_writer.provision import queries
from writegate_writer.provision.change import ApplyError
from writegate_writer.provision.database_diff import quoted, quoted_path

_UNDECIDED = """
select count(*) || ' commands are parked' from writegate.parked
where service = %(service)s and state = 'parked' having count(*) > 0
union all select count(*) || ' commands are deferred' from writegate.deferred
where service = %(service)s and state = 'deferred' having count(*) > 0
union all select count(*) || ' emitted commands are not at the broker yet' from writegate.outbox
where service = %(service)s having count(*) > 0
"""
# What was decided is in ledger, parked and audit for good. A deferred row names its domain, which goes.
_DELETE: tuple[str, ...] = (
    "select from writegate.domain order by name for update",
    "delete from writegate.deferred where service = %(service)s",
    "delete from writegate.lane where service = %(service)s",
    """delete from writegate.domain d where not exists (select from writegate.lane l where l.domain = d.name)
       and not exists (select from writegate.deferred f where f.domain = d.name)
       and not exists (select from writegate.outbox o where o.domain = d.name)""",
    "update writegate.domain set owner = null, lease_until = '-infinity' where owner = 'apply'",
    "delete from writegate.hold where split_part(split_part(target, ' ', 1), '.', 1) = %(service)s",
    "delete from writegate.recent where service = %(service)s",
    "delete from writegate.suspect where service = %(service)s",
    "delete from writegate.service where name = %(service)s",
    "insert into writegate.audit (who, action, target, detail) values (current_user, 'remove', %(service)s, '{}')",
)
_ROLE = "select exists (select from pg_catalog.pg_roles where rolname = %s)"


class ServiceRows:
    """One service in the database, as its owner sees it. Every method may raise :class:`ApplyError`."""

    def __init__(self, opened: connection, service: str) -> None:
        self._connection = opened
        self._service = service

    def undecided(self) -> str | None:
        """Return what waits for a decision or for the broker."""
        texts = [text for (text,) in self._run(_UNDECIDED)]
        return f"{', '.join(texts)} (people decide about parked ones: `writegate parked`)" if texts else None

    def delete(self) -> str | None:
        """Forget its lanes in one transaction, then its rights and its role; return why the role stays."""
        self._run(*_DELETE)
        role = role_of(self._service)
        try:
            with self._connection, self._connection.cursor() as cursor:
                cursor.execute(_ROLE, (role,))
                if cursor.fetchone() == (False,):
                    return None
                cursor.execute(queries.GRANTS, {"roles": [role]})
                for name, kind, path, privilege in cursor.fetchall():
                    cursor.execute(f"revoke {privilege} on {kind} {quoted_path(tuple(path))} from {quoted(name)}")
            with self._connection, self._connection.cursor() as cursor:
                cursor.execute(f"drop role {quoted(role)}")
        except errors.DependentObjectsStillExist:
            return f"the role {role} stays, since it has rights in another database"
        except psycopg2.Error as error:
            raise ApplyError(f"the role {role} cannot be dropped: {str(error).strip()}") from error
        return None

    def _run(self, *statements: str) -> Sequence[tuple[str, ...]]:
        try:
            with self._connection, self._connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement, {"service": self._service})
                return cursor.fetchall() if cursor.description else []
        except psycopg2.Error as error:
            raise ApplyError(f"{self._service}: the database refused: {str(error).strip()}: try again") from error
