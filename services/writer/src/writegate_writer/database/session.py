"""A writer's connection to PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg2
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from writegate.config import Settings
from writegate_writer import counters
from writegate_writer.database.session_settings import SESSION_SETTINGS, connection_options
from writegate_writer.errors import IN_FAILED_TRANSACTION, UNIQUE_VIOLATION, DatabaseFault, Fault

APPLICATION = "writegate-writer"  # of slots, followed by a dot and their number
# Of the connections of control threads. One for each writer: by this name the living writers are counted.
CONTROL_APPLICATION = "writegate-control"
# An idle slot runs an empty statement every second. On a busy machine it may be late by this much.
_USED_WITHIN_SECONDS = 3.0
_FAILED_BY = "writegate_failed_by"  # where a connection keeps its last error


@contextmanager
def translated(statement: str | None = None) -> Iterator[None]:
    """Turn driver errors, also those that SQLAlchemy wrapped, into :class:`DatabaseFault`.

    ``statement``: what is run, where that is known before.
    """
    try:
        yield
    except psycopg2.Error as error:
        raise _translate(error, statement) from error
    except DBAPIError as error:
        if isinstance(error.orig, psycopg2.Error):
            raise _translate(error.orig, error.statement) from error
        raise
    except ValueError as error:
        # How the driver reports a text with a NUL. PostgreSQL would refuse it with this: the command's own fault.
        if "NUL (0x00)" not in str(error):
            raise
        raise DatabaseFault("22021", str(error), statement=statement) from error


def _translate(error: psycopg2.Error, statement: str | None) -> DatabaseFault:
    diag = error.diag
    message = diag.message_primary or str(error).strip() or type(error).__name__
    details = [text for text in (diag.message_detail, diag.context) if text]
    sqlstate = error.pgcode
    if sqlstate is None and isinstance(error, psycopg2.DataError | psycopg2.IntegrityError):
        sqlstate = "22000"  # refused by the driver itself before it was sent
    if sqlstate is None and isinstance(error, psycopg2.ProgrammingError | psycopg2.NotSupportedError):
        sqlstate = "42000"  # the same: a wrong number of parameters, a type that it cannot adapt
    fault = DatabaseFault(sqlstate, "; ".join([message, *details]), statement=statement)
    if not fault.over_budget:
        counters.database_fault(sqlstate)
    return fault


def engine_of(settings: Settings, application: str, statement_seconds: float | None = None) -> Engine:
    """Return an engine that opens connections of this application name; it keeps none by itself.

    ``statement_seconds``: how long a statement may take, by default as long as a handler's.
    """
    milliseconds = {
        "statement_timeout": statement_seconds or settings.handler_seconds,
        # A writer that was frozen inside a transaction holds its domain's fence: let go of it as soon as of its lease.
        "idle_in_transaction_session_timeout": settings.lease_seconds,
        # A writer that was frozen outside a transaction would keep its connections, and a standby needs them. Control
        # and slot threads use theirs at least once a second.
        "idle_session_timeout": settings.lease_seconds + _USED_WITHIN_SECONDS,
        # So that the server ends what a dead client left running.
        "client_connection_check_interval": 2,
    }
    options: dict[str, str | int] = {
        **SESSION_SETTINGS,
        **{name: int(seconds * 1000) for name, seconds in milliseconds.items()},
        # For a machine that is gone: as long as the server knows its connections, they use up the budget.
        "tcp_keepalives_idle": 5,
        "tcp_keepalives_interval": 2,
        "tcp_keepalives_count": 3,
    }
    engine = create_engine(
        settings.database_url.replace("postgresql://", "postgresql+psycopg2://", 1),
        poolclass=NullPool,
        isolation_level="AUTOCOMMIT",
        # Handlers run inside a transaction that the session began: what a handler calls commit() then does nothing.
        skip_autocommit_rollback=True,
        connect_args={
            "application_name": application,
            "options": connection_options(options),
            "connect_timeout": 5,
            "keepalives_idle": 5,
            "keepalives_interval": 2,
            "keepalives_count": 3,
            "tcp_user_timeout": 10_000,
        },
    )
    event.listen(engine, "handle_error", _keep_error)
    return engine


def _keep_error(context: ExceptionContext) -> None:
    """Keep what failed, for a handler that goes on after it: all that fails then says nothing."""
    error = context.original_exception
    if context.connection is not None and isinstance(error, psycopg2.Error) and error.pgcode != IN_FAILED_TRANSACTION:
        context.connection.info[_FAILED_BY] = DatabaseFault(
            error.pgcode, error.diag.message_primary or str(error), statement=context.statement
        )


class Session:
    """One connection, with transactions begun and ended by hand."""

    def __init__(self, engine: Engine) -> None:
        with translated():
            self.connection: Connection = engine.connect()
        self._driver: Any = self.connection.connection.dbapi_connection

    def run(self, sql: str, parameters: Sequence[Any] | dict[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Run one or several statements in one round trip; return the rows of the last one."""
        with translated(sql), self._driver.cursor() as cursor:
            cursor.execute(sql, parameters)
            return list(cursor.fetchall()) if cursor.description else []

    def own(self, sql: str, parameters: Sequence[Any] | dict[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """:meth:`run` for the writer's own tables, where an integrity error is never a command's fault."""
        try:
            return self.run(sql, parameters)
        except DatabaseFault as error:
            if error.fault is not Fault.COMMAND:
                raise
            # The same id decided in two domains at once: the second try finds it in the ledger.
            fault = Fault.CONFLICT if error.sqlstate == UNIQUE_VIOLATION else Fault.DEPLOYMENT
            raise error.with_(fault=fault) from error

    def answers(self) -> bool:
        """Run an empty statement, so that the idle time-out starts again; return whether the server answers."""
        try:
            self.run("SELECT")
        except DatabaseFault:
            return False
        return True

    @property
    def backend(self) -> int:
        """The process id of its backend at the server."""
        return int(self._driver.info.backend_pid)

    @property
    def connected(self) -> bool:
        """Whether the connection was not lost, as far as its client knows."""
        return bool(self._driver.closed == 0)

    def take_failure(self) -> DatabaseFault | None:
        """Return the last error of a statement that SQLAlchemy ran here, if it was no consequence of another; once."""
        found: DatabaseFault | None = self.connection.info.pop(_FAILED_BY, None)
        return found

    @property
    def in_failed_transaction(self) -> bool:
        """Whether a transaction is open that can only be rolled back."""
        return bool(self._driver.info.transaction_status == psycopg2.extensions.TRANSACTION_STATUS_INERROR)

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open and sound."""
        return bool(self._driver.info.transaction_status == psycopg2.extensions.TRANSACTION_STATUS_INTRANS)

    def roll_back(self) -> None:
        """Undo the open transaction, if the connection is still there."""
        if (
            self._driver.closed == 0
            and self._driver.info.transaction_status != psycopg2.extensions.TRANSACTION_STATUS_IDLE
        ):
            self.connection.rollback()
            self.run("ROLLBACK")

    def close(self) -> None:
        """Close the connection, whatever its state. Harmless when repeated."""
        if not self.connection.closed:
            self.connection.invalidate()
            self.connection.close()
