"""The database, as its owner, over one connection: reads what is there, carries out one change."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import psycopg2
from psycopg2 import errors
from psycopg2.extensions import TRANSACTION_STATUS_INTRANS, connection, encrypt_password

from writegate import Command
from writegate.config import Settings
from writegate.errors import one_line
from writegate.session_name import command_name, session_name
from writegate_writer.database.session_settings import SESSION_SETTINGS, connection_options
from writegate_writer.handlers.rows.fitting import StoredColumn
from writegate_writer.handlers.rows.handler import Handler
from writegate_writer.provision import membership, queries
from writegate_writer.provision.change import ApplyError, Membership, Migration, Sql, password_variable
from writegate_writer.provision.database_diff import DatabaseState, Role
from writegate_writer.provision.domain_takeover import DomainTakeover
from writegate_writer.provision.grants import Grant, Objects, Path
from writegate_writer.provision.ledger_size import LedgerShare, ledger_shares
from writegate_writer.provision.service_rows import ServiceRows

CONNECT_SECONDS = 10
LOCK_MILLIS = 2000  # waiting longer for a table would make every writer wait behind us
ALONE_MILLIS = 60_000  # another apply may be at work
_ADVISORY_LOCK = 0x77726974_65676174  # "writegat": 8 bytes


class Database:
    """A database as its owner sees it. Every method may raise :class:`ApplyError`."""

    def __init__(self, opened: connection) -> None:
        self._connection = opened

    def read(self, roles: tuple[str, ...], passwords: Mapping[str, str]) -> DatabaseState:
        """Return what there is. ``roles``: those whose rights matter. ``passwords``: those given, by role."""
        known = {name: Role(*attributes) for name, *attributes in self._all(queries.ROLES, roles)}
        logins = {name for name, role in known.items() if role.login and name in passwords}
        return DatabaseState(
            roles=known,
            members=frozenset(self._all(queries.MEMBERS, roles)),
            objects=self._objects(),
            grants=frozenset(Grant(row[0], row[1], tuple(row[2]), row[3]) for row in self._all(queries.GRANTS, roles)),
            wrong_passwords=frozenset(name for name in logins if self._is_wrong(name, passwords[name])),
            unsafe_settings=tuple(name for (name,) in self._all(queries.UNSAFE_SETTINGS)),
            may_grant_monitor=self._all(queries.MAY_GRANT_MONITOR)[0][0],
            **self._recorded(),
        )

    def ledger(self) -> tuple[LedgerShare, ...]:
        """Return each service's part of the ledger; nothing before there is one."""
        if not self._all(queries.HAS_RETENTIONS)[0][0]:
            return ()
        [(all_bytes, all_rows)] = self._all(queries.LEDGER_BYTES)
        return ledger_shares(self._all(queries.LEDGER_ROWS), all_bytes, all_rows)

    def columns(self, tables: Iterable[str]) -> dict[str, dict[str, StoredColumn]]:
        """Return the columns of tables, ``schema.name``, by table and name; none of a table that is not there."""
        found: dict[str, dict[str, StoredColumn]] = {}
        for path, name, text, kind, labels, places in self._all(queries.COLUMNS, tables=list(tables)):
            found.setdefault(".".join(path), {})[name] = StoredColumn(text, kind, tuple(labels), places)
        return found

    def refusal(self, handler: Handler, command: type[Command]) -> str | None:
        """Return what the database says to a ready-made statement, which it plans and does not run; None: nothing."""
        try:
            with self._connection, self._connection.cursor() as cursor:
                handler.explain(_Statements(cursor), command)
        except errors.LockNotAvailable:
            return None  # somebody changes the table just now: another plan will see what became of it
        except psycopg2.Error as error:
            return error.diag.message_primary or one_line(error)
        return None

    def rows_of(self, service: str) -> ServiceRows:
        """Return what there is of a service, to be forgotten."""
        return ServiceRows(self._connection, service)

    def takeover(self, services: Sequence[str]) -> DomainTakeover:
        """Return the means to take over the domains of some services."""
        return DomainTakeover(self._connection, services)

    def run(self, step: Migration | Sql | Membership, passwords: Mapping[str, str]) -> None:
        """Carry out one change in a transaction of its own."""
        try:
            if isinstance(step, Membership):
                membership.change(self._connection, step)
                return
            with self._connection, self._connection.cursor() as cursor:
                if isinstance(step, Migration):
                    self._migrate(cursor, step)
                else:
                    cursor.execute(step.text, (*step.parameters, *self._secret(step.password_of, passwords)))
        except errors.LockNotAvailable as error:
            raise ApplyError(
                f"{_what(step)}: a table it needs was in use for {LOCK_MILLIS / 1000:g} s. Nothing of it was done: "
                "try again when no long transaction runs"
            ) from error
        except errors.InsufficientPrivilege as error:
            raise ApplyError(
                f"{_what(step)}: {error.diag.message_primary}. WRITEGATE_DATABASE_URL must name a role with CREATEROLE "
                "that owns the database, and that made the roles it is to change"
            ) from error
        except psycopg2.Error as error:
            raise ApplyError(f"{_what(step)}: {str(error).strip()}") from error

    def _migrate(self, cursor: Any, migration: Migration) -> None:
        cursor.execute(migration.sql)
        if self._connection.info.transaction_status != TRANSACTION_STATUS_INTRANS:
            raise ApplyError(
                f"{_what(migration)}: the file ends its transaction itself. Take COMMIT and ROLLBACK out of it: "
                "the file and the record that it ran are one transaction"
            )
        cursor.execute(queries.RECORD_MIGRATION, (migration.service, migration.name, migration.hash))

    def _secret(self, role: str | None, passwords: Mapping[str, str]) -> tuple[str, ...]:
        if role is None:
            return ()
        # Hashed here: the server may log statements, and then would log the password.
        return (encrypt_password(passwords[role], role, self._connection, "scram-sha-256"),)

    def _is_wrong(self, role: str, password: str) -> bool:
        try:
            psycopg2.connect(
                self._connection.dsn, user=role, password=password, connect_timeout=CONNECT_SECONDS
            ).close()
        except psycopg2.OperationalError as error:
            # Any other refusal (for example, all its connections are in use) comes after the password was accepted.
            return "password authentication failed" in str(error)
        return False

    def _recorded(self) -> dict[str, Any]:
        """Read Writegate's own tables; empty before they exist."""
        if not self._all(queries.HAS_MIGRATIONS)[0][0]:
            return {}
        return {
            "migrations": {(service, name): hash_ for service, name, hash_ in self._all(queries.MIGRATIONS)},
            "domains": {name: (tuple(tables), why) for name, tables, why in self._all(queries.DOMAINS)},
            "lanes": {(service, lane): domain for service, lane, domain in self._all(queries.LANES)},
            "missing_partitions": self._all(queries.MISSING_PARTITIONS)[0][0],
            "recorded": self._services(),
        }

    def _services(self) -> dict[str, tuple[timedelta, tuple[str, ...]]]:
        """Return the recorded ones, none before our fifth migration: they are then recorded anew."""
        rows = self._all(queries.SERVICES) if self._all(queries.HAS_TASKS)[0][0] else []
        return {name: (retention, tuple(tasks)) for name, retention, tasks in rows}

    def _objects(self) -> Objects:
        sequences: dict[Path, set[Path]] = {}
        for table, sequence in self._all(queries.OWNED_SEQUENCES):
            sequences.setdefault(tuple(table), set()).add(tuple(sequence))
        return Objects(
            tables=frozenset(tuple(path) for (path,) in self._all(queries.TABLES)),
            sequences={table: frozenset(owned) for table, owned in sequences.items()},
            functions=frozenset(tuple(path) for (path,) in self._all(queries.FUNCTIONS)),
        )

    def _all(self, text: str, roles: tuple[str, ...] | None = None, **more: Any) -> list[tuple[Any, ...]]:
        parameters = more if roles is None else {"roles": list(roles), **more}
        try:
            with self._connection, self._connection.cursor() as cursor:
                cursor.execute(text, parameters or None)
                return cursor.fetchall()
        except psycopg2.Error as error:
            raise ApplyError(f"cannot read what the database has: {str(error).strip()}") from error


class _Statements:
    """Runs the statements of a ready-made handler, as SQLAlchemy's connection would."""

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor

    def exec_driver_sql(self, statement: str, parameters: Any = None) -> Iterable[Any]:
        """Run one, and return its rows."""
        self._cursor.execute(statement, parameters)
        return list(self._cursor)


@contextmanager
def connect(settings: Settings) -> Iterator[Database]:
    """Open the connection under a lock: a second plan or apply waits for the first."""
    try:
        opened = psycopg2.connect(
            settings.database_url,
            connect_timeout=CONNECT_SECONDS,
            application_name=session_name(command_name()),
            # A default in a migration, and a day of the ledger, mean the same as for a writer.
            options=connection_options(SESSION_SETTINGS),
        )
    except psycopg2.OperationalError as error:
        raise ApplyError(
            f"cannot connect to the database as its owner: {one_line(error)}: check WRITEGATE_DATABASE_URL"
        ) from error
    try:
        _check_encoding(opened)
        with opened, opened.cursor() as cursor:
            cursor.execute(f"set lock_timeout = {ALONE_MILLIS}")
            cursor.execute("select pg_advisory_lock(%s)", (_ADVISORY_LOCK,))
            cursor.execute(f"set lock_timeout = {LOCK_MILLIS}")
        yield Database(opened)
    except errors.LockNotAvailable as error:
        raise ApplyError(
            f"another apply has been at work on this database for {ALONE_MILLIS // 1000} s: try again later"
        ) from error
    finally:
        opened.close()


def _check_encoding(opened: connection) -> None:
    encoding = opened.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise ApplyError(
            f"database {opened.info.dbname} has the encoding {encoding}, which cannot store every text that a command "
            "may hold: expected a database made with `create database … encoding 'UTF8' template template0`"
        )


def _what(step: Migration | Sql | Membership) -> str:
    if isinstance(step, Membership):
        return f"domains {', '.join(domain.name for domain in step.domains)}"
    if isinstance(step, Migration):
        return f"migration {step.service}/{step.name}"
    if step.password_of is not None:
        return f"role {step.password_of} (password from {password_variable(step.password_of)})"
    return " ".join(step.text.split())
