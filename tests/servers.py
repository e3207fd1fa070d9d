"""Private servers for tests: the local stack's own PostgreSQL and RabbitMQ, in a directory that goes away with them."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import httpx
import psycopg2
from psycopg2.extensions import connection

from tests import guard
from tests.deadlines import patient
from writegate_devkit.stack.stack import Stack

OWNER = "writegate_owner"
SUPERUSER = "postgres"
SHARED = "TEST_SERVERS"
"""The variable that has a program of the tests use servers that run: their state directory."""


@dataclass(frozen=True)
class Servers:
    """A running PostgreSQL and RabbitMQ. Nothing is applied to them yet."""

    stack: Stack

    def database_url(self, role: str = OWNER, database: str = "writegate", password: str = "") -> str:
        """Return a URL for a role, by default with the password that the stack made for it."""
        state = self.stack.state
        secret = password or state.passwords[role]
        return f"postgresql://{role}:{secret}@127.0.0.1:{state.ports['postgres']}/{database}"

    def broker_url(self, user: str = OWNER, vhost: str = "/", password: str = "") -> str:
        """Return a URL for a user, by default with the password that the stack made for it."""
        state = self.stack.state
        secret = password or state.passwords[user]
        return f"amqp://{user}:{secret}@127.0.0.1:{state.ports['rabbitmq']}/{quote(vhost, safe='')}"

    @property
    def broker_api_url(self) -> str:
        """The management API, as the administrator."""
        return self.stack.environment("owner")["WRITEGATE_BROKER_API_URL"]

    def broker_api(self) -> httpx.Client:
        """Return a client for the management API, as the administrator."""
        transport = httpx.HTTPTransport(verify=False)  # plain HTTP: to read certificates would take 35 ms of CPU
        return httpx.Client(base_url=f"{self.broker_api_url}/api", transport=transport, timeout=patient(10))

    def superuser(self, database: str = "postgres") -> connection:
        """Return an autocommitting connection that may do anything."""
        opened = psycopg2.connect(self.database_url(SUPERUSER, database))
        opened.autocommit = True
        return opened

    def create_database(self, name: str) -> None:
        """Make a fresh database that belongs to the owner role, in place of one of that name."""
        with closing(self.superuser()) as opened, opened.cursor() as cursor:
            cursor.execute(f'drop database if exists "{name}" with (force)')
            cursor.execute(f'create database "{name}" owner {OWNER}')


@contextmanager
def servers_running(make: Callable[[Path], Stack] = Stack) -> Iterator[Servers]:
    """Start both servers for as long as the block lasts, and leave nothing behind. Or use those that are shared."""
    if shared := os.environ.get(SHARED):
        yield Servers(make(Path(shared)))
        return
    # Not pytest's own directory: the servers run as users of their own, which may not pass through it.
    directory = Path(tempfile.mkdtemp(prefix="wg-"))
    directory.chmod(0o755)
    guard.watch(directory, remove=True)
    stack = make(directory / "state")
    try:
        stack.up((), apply=False)
        yield Servers(stack)
    finally:
        stack.down(wipe=True)
        shutil.rmtree(directory)
