"""The database of a gate as a test sees it: statements of the superuser, and what commands have left there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from typing import Any

import psycopg2

from tests.deadlines import patient
from tests.servers import Servers

PATIENCE_SECONDS = patient(90)
# Cause, SQLSTATE, message and raw body.
ParkedCommand = tuple[str, str | None, str, bytes]


class GateDatabase:
    """One database. ``wait``: how a test waits for a condition (:meth:`Gate.wait`)."""

    def __init__(self, servers: Servers, name: str, wait: Callable[[Callable[[], bool], str, float], None]) -> None:
        self._servers = servers
        self._name = name
        self._wait = wait
        self._superuser: psycopg2.extensions.connection | None = None

    @property
    def superuser(self) -> psycopg2.extensions.connection:
        """A connection of the superuser, kept for all tests."""
        if self._superuser is None or self._superuser.closed:
            self._superuser = self._servers.superuser(self._name)
        return self._superuser

    def reconnect(self) -> None:
        """Forget the connection: the server was restarted."""
        self._superuser = None

    def drop(self) -> None:
        """Drop the database, whoever is connected to it."""
        if self._superuser is not None:
            self._superuser.close()
        with closing(self._servers.superuser()) as connection, connection.cursor() as cursor:
            cursor.execute(f'DROP DATABASE "{self._name}" WITH (FORCE)')

    def sql(self, text: str, parameters: Sequence[Any] | Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Run a statement as the superuser."""
        with self.superuser.cursor() as cursor:
            cursor.execute(text, parameters)
            return cursor.fetchall() if cursor.description else []

    def value(self, text: str, parameters: Sequence[Any] | None = None) -> Any:
        """Return the only value of a query's only row."""
        [(value,)] = self.sql(text, parameters)
        return value

    def entries(self, *accounts: str, service: str = "trial") -> dict[str, list[int]]:
        """Return the numbers booked for each account, in the order of booking."""
        query = f"SELECT account, seq FROM {service}.entry WHERE account = ANY(%s) ORDER BY position"
        rows = self.sql(query, [[*accounts]])
        booked: dict[str, list[int]] = {account: [] for account in accounts}
        for account, seq in rows:
            booked[account].append(seq)
        return booked

    def wait_entries(self, account: str, count: int, seconds: float = PATIENCE_SECONDS, service: str = "trial") -> None:
        """Wait until an account has at least so many entries."""
        query = f"SELECT count(*) >= %s FROM {service}.entry WHERE account = %s"
        self._wait(lambda: bool(self.value(query, [count, account])), f"{count} entries of {account}", seconds)

    def assert_exactly_once(self, account: str, seqs: Iterable[int], service: str = "trial") -> None:
        """Each of these was booked once, in this order, and the total is that of single bookings."""
        expected, booked = list(seqs), self.entries(account, service=service)[account]
        assert not (lost := sorted(set(expected) - set(booked))), f"{account}: never booked: {lost[:10]}"
        doubled = [seq for seq, times in Counter(booked).items() if times > 1]
        assert not doubled, f"{account}: booked more than once: {doubled[:10]}"
        assert booked == expected, f"{account}: booked in another order"
        total = self.value(f"SELECT total FROM {service}.balance WHERE account = %s", [account])
        assert total == len(expected), f"{account}: total {total}, expected {len(expected)}"

    def parked(self, *ids: str) -> dict[str, ParkedCommand]:
        """Return parked commands by id."""
        query = "SELECT id, cause, sqlstate, message, raw FROM writegate.parked WHERE id = ANY(%s)"
        rows = self.sql(query, [[*ids]])
        return {id_: (cause, sqlstate, message, bytes(raw)) for id_, cause, sqlstate, message, raw in rows}

    def wait_parked(self, *ids: str) -> dict[str, ParkedCommand]:
        """Wait until all of these are parked; return them by id."""
        self._wait(lambda: len(self.parked(*ids)) == len(set(ids)), f"parked: {', '.join(ids)}", PATIENCE_SECONDS)
        return self.parked(*ids)

    def batches(self, service: str = "trial") -> tuple[int, int]:
        """Return how many batches a service had, and how many commands were decided in them."""
        [row] = self.sql(
            "SELECT count(*)::int, coalesce(sum(commands), 0)::int FROM writegate.batch WHERE service = %s", [service]
        )
        return row[0], row[1]
