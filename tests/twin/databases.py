"""Two databases with the same tables: the naive writer's, and one with all that a batching writer needs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

from psycopg2.extensions import connection
from sqlalchemy import Connection, Engine, create_engine

from tests.servers import SUPERUSER, Servers
from tests.twin.batching import NAME, BatchingWriter
from tests.twin.naive import NaiveWriter
from tests.twin.stock.tables import metadata
from tests.twin.stock.writes import writes
from writegate.config import Settings
from writegate_devkit.stack.environment import WRITER
from writegate_writer.database.leases import SqlLeases
from writegate_writer.database.lock_conflicts import LockConflicts
from writegate_writer.database.session import APPLICATION, Session, engine_of
from writegate_writer.database.store import SqlStore
from writegate_writer.handlers.loading import migrations_of
from writegate_writer.provision.plan import opened
from writegate_writer.schedule.clock import SystemClock
from writegate_writer.schedule.sharing import Claimed

_NAIVE = f"{NAME}_naive"
_TABLES = [table.fullname for table in reversed(metadata.sorted_tables)]
_OWN = [f"writegate.{name}" for name in ("ledger", "parked", "deferred", "outbox", "suspect", "hold", "batch")]
_LEASE_SECONDS = 60.0


@dataclass(frozen=True)
class Databases:
    """Both, and a connection to each for looking at it and for clearing it."""

    engine: Engine  # of batching writers
    of_naive: Connection
    of_batching: Session
    claimed: Claimed
    naive: connection  # for the test
    batching: connection

    def writers(self) -> tuple[NaiveWriter, BatchingWriter]:
        """Return writers that have done nothing yet, over empty tables."""
        run(self.naive, ";".join(f"delete from {table}" for table in _TABLES))
        run(self.batching, ";".join(f"delete from {table}" for table in [*_TABLES, *_OWN]))
        return NaiveWriter(self.of_naive, writes), self.batching_writer(NAME, self.of_batching)

    def batching_writer(self, name: str, session: Session) -> BatchingWriter:
        """Return a batching writer that goes on with what is there."""
        store = SqlStore(session, {writes.service.name: writes}, SystemClock(), LockConflicts([APPLICATION]))
        return BatchingWriter(store, writes, self.claimed, name)

    @contextmanager
    def held(self, target: str | None) -> Iterator[None]:
        """Have a hold on this, if it is given."""
        if target is not None:
            run(
                self.batching, "insert into writegate.hold (target, reason, holder) values (%s, 'test', 'me')", [target]
            )
        yield
        run(self.batching, "delete from writegate.hold")


def run(at: connection, sql: str, parameters: Sequence[Any] | None = None) -> list[tuple[Any, ...]]:
    """Run a statement; return its rows."""
    with at.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchall() if cursor.description else []


def content(at: connection) -> Counter[tuple[Any, ...]]:
    """Return the rows of every table of the service."""
    return Counter((table, *row) for table in _TABLES for row in run(at, f"select * from {table}"))


@contextmanager
def databases(servers: Servers) -> Iterator[Databases]:
    """Make both."""
    for name in (NAME, _NAIVE):
        servers.create_database(name)
        with closing(servers.superuser()) as at:
            # Nobody pulls the plug here, and a naive writer waits for the disk with every command.
            run(at, f"alter database {name} set synchronous_commit = off")
    _apply(servers)
    settings = Settings.load(
        {
            "WRITEGATE_DATABASE_URL": servers.database_url(WRITER, NAME),
            "WRITEGATE_LEASE_SECONDS": str(_LEASE_SECONDS),  # a database that is slow is not to end the test's session
        }
    )
    engine = engine_of(settings, APPLICATION)
    url = servers.database_url(SUPERUSER, _NAIVE).replace("postgresql", "postgresql+psycopg2", 1)
    with (
        closing(servers.superuser(_NAIVE)) as naive,
        closing(servers.superuser(NAME)) as batching,
        closing(Session(engine)) as session,
        create_engine(url).connect() as of_naive,
    ):
        for migration in migrations_of(writes):
            run(naive, migration.read_text())
        [claimed] = SqlLeases(session).claim(NAME, [writes.service.name], _LEASE_SECONDS)
        yield Databases(engine, of_naive, session, claimed, naive, batching)
    with servers.broker_api() as api:
        api.delete(f"/vhosts/{NAME}").raise_for_status()
    with closing(servers.superuser()) as at:
        for name in (NAME, _NAIVE):
            run(at, f"drop database {name} with (force)")


def _apply(servers: Servers) -> None:
    settings = Settings.load(
        {
            "WRITEGATE_BROKER_URL": servers.broker_url(vhost=NAME),
            "WRITEGATE_BROKER_API_URL": servers.broker_api_url,
            "WRITEGATE_DATABASE_URL": servers.database_url(database=NAME),
        }
    )
    passwords = {**servers.stack.environment("owner"), "WRITEGATE_PASSWORD_STOCK": "stock-secret"}
    with opened(settings, {writes.service.name: writes}, passwords) as applier:
        assert not applier.apply(applier.plan(), lambda _: None).changes
