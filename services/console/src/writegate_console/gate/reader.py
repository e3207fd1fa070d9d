"""The console's only connection to the database: shared by all requests, opened again when it was lost."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import psycopg2
from psycopg2.extensions import connection
from psycopg2.sql import Composable

from writegate.errors import WritegateError
from writegate_console.gate.database import Database, Row, connect, rows_of

CONNECT_SECONDS = 2
STATEMENT_MILLIS = 3_000
# A server that is frozen answers nothing, not even that a statement took too long.
SILENCE_SECONDS = 4.0


class DatabaseAway(WritegateError):
    """The database does not answer now."""

    retryable = True


class BadQuestion(WritegateError):
    """What was asked for cannot be: a number too big, a text that no text in the database can be."""


class Reader(Database):
    """One connection as the reader, for any number of threads: one asks at a time.

    ``queries`` counts what was asked, for tests.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._opened: connection | None = None
        self._lock = threading.Lock()
        self.queries = 0

    def all(self, query: str | Composable, parameters: Mapping[str, Any] | None = None) -> list[Row]:
        """Return all rows. Raises :class:`DatabaseAway` within seconds, and :class:`BadQuestion`."""
        if not self._lock.acquire(timeout=SILENCE_SECONDS):
            raise DatabaseAway(f"the database has not answered for {SILENCE_SECONDS:g} s")
        try:
            self.queries += 1
            return self._ask(query, parameters)
        except psycopg2.DataError as error:
            raise BadQuestion(str(error).strip()) from error
        except psycopg2.errors.QueryCanceled as error:
            raise DatabaseAway(f"the database took longer than {STATEMENT_MILLIS} ms: narrow the search") from error
        except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
            self._close()
            raise DatabaseAway(f"the database is away: {_first_line(error)}") from error
        except psycopg2.Error as error:
            raise DatabaseAway(f"the database does not answer that: {_first_line(error)}") from error
        except ValueError as error:  # the driver's, of a NUL or a lone surrogate in a text
            raise BadQuestion(str(error)) from error
        finally:
            self._lock.release()

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._close()

    def _ask(self, query: str | Composable, parameters: Mapping[str, Any] | None) -> list[Row]:
        fresh = self._opened is None
        try:
            with _at_most(SILENCE_SECONDS, self._connected()):
                return rows_of(self._connected(), query, parameters)
        except (psycopg2.OperationalError, psycopg2.InterfaceError):
            # One that was idle may have been lost long ago, as by a restart: that says nothing of now.
            if fresh or (self._opened is not None and not self._opened.closed):
                raise
            self._close()
            return rows_of(self._connected(), query, parameters)

    def _connected(self) -> connection:
        if self._opened is None:
            self._opened = connect(self._url, statement_millis=STATEMENT_MILLIS, connect_seconds=CONNECT_SECONDS)
        return self._opened

    def _close(self) -> None:
        if self._opened is not None:
            with suppress(psycopg2.Error):
                self._opened.close()
            self._opened = None


@contextmanager
def _at_most(seconds: float, opened: connection) -> Iterator[None]:
    """End the connection when the block takes longer: whoever waits for an answer then gets an error."""
    with socket.socket(fileno=os.dup(opened.fileno())) as line:
        timer = threading.Timer(seconds, _hang_up, (line,))
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()  # before the descriptor may be somebody else's


def _hang_up(line: socket.socket) -> None:
    with suppress(OSError):
        line.shutdown(socket.SHUT_RDWR)


def _first_line(error: psycopg2.Error) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
