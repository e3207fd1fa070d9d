"""Whether a commit can be read over a connection, which may lead to a replica that lags behind.

Connections are recognised by their methods, since the library depends on no database driver.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_LSN = re.compile(r"[0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8}")


def shows(connection: Any, lsn: str) -> bool:
    """Whether a connection's server shows everything that was committed up to a WAL position.

    ``connection``: any DB-API connection, such as psycopg's or Django's; a SQLAlchemy connection or session. Raises
    :class:`TypeError` for anything else, and :class:`ValueError` when ``lsn`` is not a WAL position.
    """
    return bool(_scalar(connection, _query(lsn)))


async def ashows(connection: Any, lsn: str) -> bool:
    """:func:`shows` for asyncio: connections of asyncpg (or its pools), psycopg and SQLAlchemy (or its sessions)."""
    return bool(await _ascalar(connection, _query(lsn)))


def _query(lsn: str) -> str:
    # The position is part of the statement, since drivers mark parameters in different ways.
    if not _LSN.fullmatch(lsn):
        raise ValueError(f"expected a WAL position such as 0/16B3748, got {lsn!r}")
    return f"SELECT NOT pg_is_in_recovery() OR pg_last_wal_replay_lsn() >= '{lsn}'::pg_lsn"


def _scalar(connection: Any, query: str) -> Any:
    if hasattr(connection, "exec_driver_sql"):  # a connection of SQLAlchemy
        return connection.exec_driver_sql(query).scalar()
    if hasattr(connection, "cursor"):
        cursor = connection.cursor()
        try:
            cursor.execute(query)
            return _first(cursor.fetchone())
        finally:
            cursor.close()
    if callable(getattr(connection, "connection", None)):  # a session of SQLAlchemy
        return _scalar(connection.connection(), query)
    raise _unknown(connection)


async def _ascalar(connection: Any, query: str) -> Any:
    if hasattr(connection, "fetchval"):  # a connection or pool of asyncpg
        return await connection.fetchval(query)
    if hasattr(connection, "exec_driver_sql"):
        return (await connection.exec_driver_sql(query)).scalar()
    if hasattr(connection, "cursor"):
        async with connection.cursor() as cursor:
            await cursor.execute(query)
            return _first(await cursor.fetchone())
    if callable(getattr(connection, "connection", None)):
        return await _ascalar(await connection.connection(), query)
    raise _unknown(connection)


def _first(row: Any) -> Any:
    return next(iter(row.values())) if isinstance(row, Mapping) else row[0]


def _unknown(connection: Any) -> TypeError:
    return TypeError(f"expected a database connection or session, got {type(connection).__name__}")
