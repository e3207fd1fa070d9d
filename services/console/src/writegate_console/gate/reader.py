"""A connection of the page's to the database: shared by many requests, opened again after it was lost."""

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
from writegate_console.gate.database import Database, Row, connect, fetch_rows
from writegate_console.gate.turns import NoTurn, Turns

CONNECT_SECONDS = 2
STATEMENT_MILLIS = 3_000
# A frozen server answers nothing, not even that a statement took too long: the client gives up by itself.
SILENCE_SECONDS = 4.0
MOST_WAITING = 8  # threads; the server of the page has forty for all pages


class DatabaseUnavailable(WritegateError):
    """The database does not answer now."""

    retryable = True


class InvalidQuery(WritegateError):
    """No row can match: a number is too big, or a text has characters that the database cannot store."""


class Reader(Database):
    """One connection as the reader role, for any number of threads: one queries at a time, and few wait for it."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._opened: connection | None = None
        self._turns = Turns(MOST_WAITING, SILENCE_SECONDS)

    def all(self, query: str | Composable, parameters: Mapping[str, Any] | None = None) -> list[Row]:
        """Return all rows. Raises :class:`DatabaseUnavailable` within seconds, and :class:`InvalidQuery`."""
        try:
            with self._turns.turn():
                return self._query_or_close(query, parameters)
        except NoTurn:
            raise DatabaseUnavailable("others wait for the database already, and it is slow: try again") from None
        except psycopg2.DataError as error:
            raise InvalidQuery(str(error).strip()) from error
        except psycopg2.errors.QueryCanceled as error:
            raise DatabaseUnavailable(
                f"the database took longer than {STATEMENT_MILLIS} ms: narrow the search"
            ) from error
        except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
            raise DatabaseUnavailable(f"the database is not available: {_first_line(error)}") from error
        except psycopg2.Error as error:
            raise DatabaseUnavailable(f"the database refuses that query: {_first_line(error)}") from error
        except ValueError as error:  # from the driver: a text with NUL or a lone surrogate
            raise InvalidQuery(str(error)) from error

    def close(self) -> None:
        """Close the connection, once no query is under way."""
        with suppress(NoTurn), self._turns.turn():
            self._close()

    def _query_or_close(self, query: str | Composable, parameters: Mapping[str, Any] | None) -> list[Row]:
        try:
            return self._query(query, parameters)
        except psycopg2.errors.QueryCanceled:
            raise
        except (psycopg2.OperationalError, psycopg2.InterfaceError):
            self._close()
            raise

    def _query(self, query: str | Composable, parameters: Mapping[str, Any] | None) -> list[Row]:
        fresh = self._opened is None
        try:
            with _time_limit(SILENCE_SECONDS, self._connected()):
                return fetch_rows(self._connected(), query, parameters)
        except (psycopg2.OperationalError, psycopg2.InterfaceError):
            # An idle connection may have been lost long ago, as by a restart: that says nothing about the server now.
            if fresh or (self._opened is not None and not self._opened.closed):
                raise
            self._close()
            return fetch_rows(self._connected(), query, parameters)

    def _connected(self) -> connection:
        if self._opened is None:
            self._opened = connect(
                self._url, "writegate console", statement_millis=STATEMENT_MILLIS, connect_seconds=CONNECT_SECONDS
            )
        return self._opened

    def _close(self) -> None:
        if self._opened is not None:
            with suppress(psycopg2.Error):
                self._opened.close()
            self._opened = None


@contextmanager
def _time_limit(seconds: float, opened: connection) -> Iterator[None]:
    """Shut the socket down when the block takes longer: the thread that waits for an answer then gets an error."""
    with socket.socket(fileno=os.dup(opened.fileno())) as client_socket:
        timer = threading.Timer(seconds, _shut_down, (client_socket,))
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()  # before the descriptor is closed and its number used again


def _shut_down(client_socket: socket.socket) -> None:
    with suppress(OSError):
        client_socket.shutdown(socket.SHUT_RDWR)


def _first_line(error: psycopg2.Error) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
