"""An empty place to apply to: a database, a vhost, and two services with their migrations."""

from __future__ import annotations

import subprocess
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pika
import psycopg2
from sqlalchemy import Column, Integer, MetaData, Table, Text

from tests.deadlines import patient
from tests.servers import OWNER, Servers
from writegate import Service
from writegate.config import Settings
from writegate_devkit.stack.database import binaries
from writegate_writer import Writes
from writegate_writer.provision.change import Change
from writegate_writer.provision.plan import Declared, Plan, declared_by, opened

NAME = "apply_test"  # of the database and of the vhost
PASSWORD = "secret"
NAMES = ("writegate_writer", "writegate_reader", "writegate_operator", "alpha", "beta")
CONNECTIONS = 3
MOST_CONNECTIONS, MOST_CHANNELS = 3, 5  # of beta's broker user


@dataclass(frozen=True)
class Place:
    """An empty database and no vhost yet, and two services to apply to them."""

    servers: Servers
    migrations: Path

    def settings(self, connections: int = CONNECTIONS) -> Settings:
        return Settings.load(
            {
                "WRITEGATE_BROKER_URL": self.servers.broker_url(vhost=NAME),
                "WRITEGATE_BROKER_API_URL": self.servers.broker_api_url,
                "WRITEGATE_DATABASE_URL": self.servers.database_url(database=NAME),
                "WRITEGATE_CONNECTIONS": str(connections),
            }
        )

    def services(self, lanes: int = 2) -> dict[str, Writes]:
        alpha, beta = (self.migrations / name for name in ("alpha", "beta"))
        beta_service = Service("beta", commands=[], max_connections=MOST_CONNECTIONS, max_channels=MOST_CHANNELS)
        return {
            "alpha": Writes(Service("alpha", commands=[], lanes=lanes), tables=[table("alpha")], migrations=alpha),
            "beta": Writes(beta_service, tables=[table("beta")], migrations=beta),
        }

    def plan(self, lanes: int = 2, connections: int = CONNECTIONS, password: str = PASSWORD) -> Plan:
        with opened(self.settings(connections), self.services(lanes), passwords(password)) as applier:
            return applier.plan()

    def apply(self, connections: int = CONNECTIONS, password: str = PASSWORD, lanes: int = 2) -> list[Change]:
        """Apply, and return what was changed."""
        done: list[Change] = []
        with opened(self.settings(connections), self.services(lanes), passwords(password)) as applier:
            applier.apply(applier.plan(), done.append)
        return done

    def declared(self, password: str = PASSWORD, lanes: int = 2) -> Declared:
        return declared_by(self.settings(), self.services(lanes), passwords(password))

    def switch(self, service: str, lanes: int) -> list[Change]:
        """Switch a service, without much patience."""
        with opened(self.settings(), self.services(lanes), passwords(PASSWORD)) as applier:
            return applier.switch([service], 1.0, lambda _: None)

    def sql(self, text: str, role: str = "postgres") -> list[tuple[object, ...]]:
        """Run statements as a role, in one transaction."""
        with closing(self.login(role)) as one, one, one.cursor() as cursor:
            cursor.execute(text)
            return cursor.fetchall() if cursor.description else []

    def psql(self, script: str) -> subprocess.CompletedProcess[str]:
        """Run a script as the owner, with PostgreSQL's own tool."""
        program = str(binaries(self.servers.stack.home) / "psql")
        command = [program, "--no-psqlrc", "--quiet", self.servers.database_url(database=NAME)]
        return subprocess.run(command, input=script, capture_output=True, text=True, check=False, timeout=patient(60))

    def login(self, role: str) -> psycopg2.extensions.connection:
        password = PASSWORD if role in NAMES else ""
        return psycopg2.connect(self.servers.database_url(role, NAME, password))

    def publish(self, user: str, exchange: str, routing_key: str) -> None:
        """Publish, confirmed, and raise what the broker says."""
        with closing(self.broker(user)) as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            channel.basic_publish(exchange, routing_key, b"{}", mandatory=True)

    def broker(self, user: str) -> pika.BlockingConnection:
        password = PASSWORD if user in NAMES else ""
        return pika.BlockingConnection(pika.URLParameters(self.servers.broker_url(user, NAME, password)))

    def api(self, method: str, path: str, **body: object) -> None:
        with self.servers.broker_api() as client:
            client.request(method, path, json=body).raise_for_status()


def table(service: str) -> Table:
    return Table("item", MetaData(), Column("id", Integer, primary_key=True), Column("text", Text), schema=service)


def passwords(password: str) -> dict[str, str]:
    return {f"WRITEGATE_PASSWORD_{name.upper()}": password for name in NAMES}


def made(servers: Servers, migrations: Path) -> Place:
    """Make the database and the migrations; the vhost is for apply to make."""
    for name in ("alpha", "beta"):
        (migrations / name).mkdir()
        text = f"create schema {name}; create table {name}.item (id serial primary key, text text);"
        (migrations / name / "001_item.sql").write_text(text)
    servers.create_database(NAME)
    return Place(servers, migrations)


def removed(place: Place) -> None:
    """Remove all that apply makes, roles and broker users too."""
    with closing(place.servers.superuser()) as opened_, opened_.cursor() as cursor, place.servers.broker_api() as api:
        cursor.execute(f"drop database {NAME} with (force)")
        cursor.execute("select rolname from pg_roles where rolname ~ '^writegate_' and rolname <> %s", (OWNER,))
        for (role,) in cursor.fetchall():
            cursor.execute(f'drop role "{role}"')
        api.delete(f"/vhosts/{NAME}")
        for name in NAMES:
            api.delete(f"/users/{name}")
