"""A database with the tables of a service and nothing else: what a service's own tests have."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.pool import NullPool

from tests.servers import SUPERUSER, Servers


@contextmanager
def migrated(servers: Servers, database: str, migrations: Path) -> Iterator[Engine]:
    """Make a database by these migrations, for as long as the block lasts."""
    servers.create_database(database)
    url = servers.database_url(SUPERUSER, database).replace("postgresql", "postgresql+psycopg2", 1)
    engine = create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        for migration in sorted(migrations.glob("*.sql")):
            connection.exec_driver_sql(migration.read_text())
    yield engine
    with closing(servers.superuser()) as opened, opened.cursor() as cursor:
        cursor.execute(f"drop database {database} with (force)")


@contextmanager
def rolled_back(engine: Engine) -> Iterator[Connection]:
    """Yield a connection whose work is undone."""
    with engine.connect() as connection:
        yield connection
        connection.rollback()
