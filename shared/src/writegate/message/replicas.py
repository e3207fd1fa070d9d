"""Whether a commit can be seen over a connection, which may lead to a replica that is behind.

Connections are taken as they come: the library pulls no driver.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_LSN = re.compile(r"[0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8}")


def shows(connection: Any, lsn: str) -> bool:
    """Whether the server behind a connection shows what was committed up to a WAL position.

    ``connection``: any DB-API connection, such as psycopg's or Django's; a SQLAlchemy connection or session.
    """
    return bool(_asked(connection, _question(lsn)))


async def ashows(connection: Any, lsn: str) -> bool:
    """:func:`shows` for connections and pools of asyncpg, psycopg's and SQLAlchemy's async connections and sessions."""
    return bool(await _aasked(connection, _question(lsn)))


def _question(lsn: str) -> str:
    # Written into the statement, since every driver marks parameters in another way.
    if not _LSN.fullmatch(lsn):
        raise ValueError(f"expected a WAL position such as 0/16B3748, got {lsn!r}")
    return f"SELECT NOT pg_is_in_recovery() OR pg_last_wal_replay_lsn() >= '{lsn}'::pg_lsn"


def _asked(connection: Any, question: str) -> Any:
    if hasattr(connection, "exec_driver_sql"):  # SQLAlchemy's
        return connection.exec_driver_sql(question).scalar()
    if hasattr(connection, "cursor"):
        cursor = connection.cursor()
        try:
            cursor.execute(question)
            return _first(cursor.fetchone())
        finally:
            cursor.close()
    if callable(getattr(connection, "connection", None)):  # a session of SQLAlchemy's
        return _asked(connection.connection(), question)
    raise _unknown(connection)


async def _aasked(connection: Any, question: str) -> Any:
    if hasattr(connection, "fetchval"):  # asyncpg's
        return await connection.fetchval(question)
    if hasattr(connection, "exec_driver_sql"):
        return (await connection.exec_driver_sql(question)).scalar()
    if hasattr(connection, "cursor"):
        async with connection.cursor() as cursor:
            await cursor.execute(question)
            return _first(await cursor.fetchone())
    if callable(getattr(connection, "connection", None)):
        return await _aasked(await connection.connection(), question)
    raise _unknown(connection)


def _first(row: Any) -> Any:
    return next(iter(row.values())) if isinstance(row, Mapping) else row[0]


def _unknown(connection: Any) -> TypeError:
    return TypeError(f"expected a database connection or session, got {type(connection).__name__}")
