"""A gate of its own for tests of the writer: database, vhost, real writer processes, services `trial` and `shards`.

Writers are started as people start them, by Celery's own command; only what sets them up is of the tests.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, build_opener

import pika
import psycopg2
from pika.adapters.blocking_connection import BlockingChannel
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from tests.servers import OWNER, Servers
from writegate import Command
from writegate.config import Settings
from writegate.message.envelope import Message
from writegate.publishing import Publisher
from writegate_devkit.stack.ports import choose
from writegate_devkit.stack.readiness import wait_until

CHECKOUT = Path(__file__).parents[2]
SERVICES = CHECKOUT / "tests/services"
PARTNER = CHECKOUT / "tests/partner"  # joins them in the tests that put it on the path
PASSWORD = "trial-secret"  # of the services of tests
WRITER, READER, OPERATOR = "writegate_writer", "writegate_reader", "writegate_operator"
PATIENCE_SECONDS = 90.0
SHARING_SECONDS = 60.0

_open = build_opener(ProxyHandler({})).open


def send(channel: BlockingChannel, queue: str, message: Message) -> None:
    """Put a message straight into a queue, confirmed."""
    properties = pika.BasicProperties(headers=message.headers, **message.properties)
    channel.basic_publish("", queue, message.body, properties, mandatory=True)


class Writer:
    """A running writer process."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.name = name
        self.process = process
        self.address = f"127.0.0.1:{port}"
        self._log = log

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def state(self) -> dict[str, Any]:
        """Return what it says of itself; empty while it does not answer."""
        try:
            with _open(f"http://{self.address}/readyz", timeout=2) as answer:
                return dict(json.load(answer))
        except HTTPError as error:
            with error:
                return dict(json.load(error))
        except (URLError, OSError):
            return {}

    def metrics(self) -> list[Metric]:
        """Return what it tells Prometheus."""
        with _open(f"http://{self.address}/metrics", timeout=10) as answer:
            return list(text_string_to_metric_families(answer.read().decode()))

    def serving(self) -> set[str]:
        """Return the domains it serves now."""
        return {name for name, one in self.state().get("domains", {}).items() if one["phase"] == "serving"}


class Gate:
    """One gate. What waits for something fails with the writers' last words when it does not come."""

    def __init__(self, servers: Servers, name: str, connections: int, services: Path, settings: dict[str, str]) -> None:
        self.servers = servers
        self.name = name
        self.connections = connections
        self.settings = settings  # of all that is started from now on
        self.writers: dict[str, Writer] = {}
        self._services = services
        # Services of tests, for which the stack has made no password.
        self._own = {
            point.name
            for folder in (services, PARTNER)
            for path in folder.glob("*.dist-info")
            for point in Distribution.at(path).entry_points
        }
        self._directory = servers.stack.home.logs
        self._superuser: psycopg2.extensions.connection | None = None

    # Writers.

    def start(
        self, name: str = "writer-1", *, altered: str | None = None, wait: bool = True, **settings: Any
    ) -> Writer:
        """Start a writer, by default until it is ready. ``altered``: with this change of :mod:`altered`."""
        assert name not in self.writers or not self.writers[name].alive
        port = choose(("health",), {})["health"]
        log = self._directory / f"{self.name}-{name}.log"  # gates share the directory
        with log.open("ab") as output:
            process = subprocess.Popen(
                self.command(name, altered), env=self.environment(WRITER, WRITEGATE_HEALTH_PORT=str(port), **settings),
                cwd=CHECKOUT, stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip
        writer = self.writers[name] = Writer(name, process, port, log)
        if wait:
            self.wait(lambda: {"trial", "flights"} <= writer.serving(), f"{name} serves")
        return writer

    def command(self, name: str, altered: str | None = None) -> list[str]:
        """Return what starts a writer, given the environment of one."""
        program = ["celery"] if altered is None else ["tests.integration.altered", altered]
        worker = ("-A", "writegate_writer.app", "worker", "--hostname", f"{name}@%h", "--loglevel", "INFO")
        return [sys.executable, "-m", *program, *worker]

    def kill(self, name: str = "writer-1") -> None:
        """Kill a writer, as a machine that fails would."""
        self.writers[name].process.kill()
        self.writers[name].process.wait(10)

    def stop(self, name: str = "writer-1") -> int:
        """Stop a writer in order; return its exit code."""
        self.writers[name].process.send_signal(signal.SIGTERM)
        return self.writers[name].process.wait(PATIENCE_SECONDS)

    def stop_all(self) -> None:
        for name, writer in self.writers.items():
            if writer.alive:
                self.stop(name)

    def wait(self, condition: Callable[[], bool], what: str, seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until a condition holds."""
        if not wait_until(condition, seconds):
            logs = "\n".join(f"--- {one.name}\n{one.log[-3000:]}" for one in self.writers.values())
            raise AssertionError(f"expected within {seconds} s: {what}\n{logs}")

    # Operators.

    def operator(self) -> dict[str, str]:
        """Return the settings of somebody who has the reader role and the operator's broker account, and no more."""
        own = self.servers.stack.environment("operator")
        broker, database = self.broker_url(OPERATOR), self.servers.database_url(READER, self.name)
        return {**own, "WRITEGATE_BROKER_URL": broker, "WRITEGATE_DATABASE_URL": database}

    def run(self, *arguments: str, seconds: float = 120) -> subprocess.CompletedProcess[str]:
        """Run `writegate …` as that operator."""
        command = [sys.executable, "-m", "writegate", *arguments]
        environment = {**os.environ, **self.operator()}
        return subprocess.run(
            command, env=environment, cwd=CHECKOUT, capture_output=True, text=True, timeout=seconds, check=False
        )

    def do(self, *arguments: str, seconds: float = 120) -> str:
        """Run `writegate …` as that operator; it must succeed."""
        done = self.run(*arguments, seconds=seconds)
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    # The broker.

    def publisher(self, service: str = "trial", **settings: str) -> Publisher:
        """Return a publisher as a service has it."""
        return Publisher(Settings.load({**self.environment(service), **settings}))

    def publish(self, commands: Iterable[Command], service: str = "trial") -> None:
        with self.publisher(service) as publisher:
            publisher.publish_many(commands)

    @contextmanager
    def channel(self) -> Iterator[BlockingChannel]:
        """Yield a confirming channel as the administrator, who may publish anything anywhere."""
        parameters = pika.URLParameters(self.broker_url())
        parameters.heartbeat = 0  # nobody tends it while a test waits for something else
        with closing(pika.BlockingConnection(parameters)) as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            yield channel

    def broker_url(self, user: str = OWNER) -> str:
        password = PASSWORD if user in self._own else ""
        return self.servers.broker_url(user, self.name, password)

    def serving(self) -> set[str]:
        """Return the names of the running writers that serve some domain now."""
        return {name for name, one in self.writers.items() if one.alive and one.serving()}

    def wait_shared(self, *names: str) -> None:
        """Wait until these writers, and no others, serve all domains, as many each as can be."""
        count = self.value("SELECT count(*) FROM writegate.domain")

        def shared() -> bool:
            shares = {name: len(one.serving()) for name, one in self.writers.items() if one.alive}
            even = max(shares.values()) - min(shares.values()) <= 1
            return set(shares) == set(names) and even and sum(shares.values()) == count

        self.wait(shared, f"{', '.join(names)} share {count} domains evenly", SHARING_SECONDS)

    def waiting(self, service: str = "trial") -> dict[str, int]:
        """Return how many messages are ready in each queue of a service, its dead-letter queue included.

        With no writer running that is all there are.
        """
        with self.channel() as channel:
            names = [queue["name"] for queue in self._queues() if queue["name"].startswith(f"writes.{service}.")]
            return {name: channel.queue_declare(name, passive=True).method.message_count for name in names}

    def assert_drained(self, service: str = "trial") -> None:
        """Stop the writers; nothing may be left at the broker, unacknowledged messages included."""
        self.stop_all()
        assert set(self.waiting(service).values()) == {0}, self.waiting(service)

    def _queues(self) -> list[dict[str, Any]]:
        with self.servers.broker_api() as api:
            return list(api.get(f"/queues/{self.name}?disable_stats=true").raise_for_status().json())

    # The database.

    def sql(self, text: str, parameters: Sequence[Any] | Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Run a statement as the superuser."""
        with self.superuser.cursor() as cursor:
            cursor.execute(text, parameters)
            return cursor.fetchall() if cursor.description else []

    @property
    def superuser(self) -> psycopg2.extensions.connection:
        """A connection as the superuser, kept for all tests."""
        if self._superuser is None or self._superuser.closed:
            self._superuser = self.servers.superuser(self.name)
        return self._superuser

    def reconnect(self) -> None:
        """Forget the connection: the database was restarted."""
        self._superuser = None

    def value(self, text: str, parameters: Sequence[Any] | None = None) -> Any:
        """Return the one value a query gives."""
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

    def assert_exactly_once(self, account: str, seqs: Iterable[int], service: str = "trial") -> None:
        """Each of these was booked once, in this order, and the total is that of single bookings."""
        expected, booked = list(seqs), self.entries(account, service=service)[account]
        assert not (lost := sorted(set(expected) - set(booked))), f"{account}: never booked: {lost[:10]}"
        doubled = [seq for seq, times in Counter(booked).items() if times > 1]
        assert not doubled, f"{account}: booked more than once: {doubled[:10]}"
        assert booked == expected, f"{account}: booked in another order"
        total = self.value(f"SELECT total FROM {service}.balance WHERE account = %s", [account])
        assert total == len(expected), f"{account}: total {total}, expected {len(expected)}"

    def wait_entries(self, account: str, count: int, seconds: float = PATIENCE_SECONDS, service: str = "trial") -> None:
        query = f"SELECT count(*) >= %s FROM {service}.entry WHERE account = %s"
        self.wait(lambda: bool(self.value(query, [count, account])), f"{count} entries of {account}", seconds)

    def parked(self, *ids: str) -> dict[str, tuple[str, str | None, str, bytes]]:
        """Return cause, SQLSTATE, message and raw body of parked commands by id."""
        query = "SELECT id, cause, sqlstate, message, raw FROM writegate.parked WHERE id = ANY(%s)"
        rows = self.sql(query, [[*ids]])
        return {id_: (cause, sqlstate, message, bytes(raw)) for id_, cause, sqlstate, message, raw in rows}

    def wait_parked(self, *ids: str) -> dict[str, tuple[str, str | None, str, bytes]]:
        self.wait(lambda: len(self.parked(*ids)) == len(set(ids)), f"parked: {', '.join(ids)}")
        return self.parked(*ids)

    def batches(self, service: str = "trial") -> tuple[int, int]:
        """Return how many batches there were, and how many commands they decided."""
        [row] = self.sql(
            "SELECT count(*)::int, coalesce(sum(commands), 0)::int FROM writegate.batch WHERE service = %s", [service]
        )
        return row[0], row[1]

    # Setting up and down.

    def set_up(self) -> None:
        self.servers.create_database(self.name)
        self.apply()

    def apply(self) -> None:
        """Apply what is declared now."""
        done = subprocess.run(
            [sys.executable, "-m", "writegate", "apply", "--yes"],
            env=self.environment(OWNER), cwd=CHECKOUT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr

    def tear_down(self) -> None:
        for writer in self.writers.values():
            with suppress(ProcessLookupError):
                writer.process.kill()
            writer.process.wait(10)
        if self._superuser is not None:
            self._superuser.close()
        with closing(self.servers.superuser()) as connection, connection.cursor() as cursor:
            cursor.execute(f'DROP DATABASE "{self.name}" WITH (FORCE)')
        with self.servers.broker_api() as api:
            api.delete(f"/vhosts/{self.name}").raise_for_status()

    def environment(self, user: str, **more: Any) -> dict[str, str]:
        """Return a process's environment: ``owner`` (for apply), the writer, or a service."""
        own: dict[str, str] = {}
        if user == OWNER:
            passwords = {f"WRITEGATE_PASSWORD_{name.upper()}": PASSWORD for name in self._own}
            own = {**self.servers.stack.environment("owner"), **passwords}
        if user in {OWNER, WRITER}:
            own["WRITEGATE_DATABASE_URL"] = self.servers.database_url(user, self.name)
        own["WRITEGATE_BROKER_URL"] = self.broker_url(user)
        fixed = {
            "WRITEGATE_CONNECTIONS": str(self.connections),
            "WRITEGATE_SLOTS": "2",
            "WRITEGATE_LEASE_SECONDS": "2",  # many tests wait for a dead writer's lease to run out
            "WRITEGATE_SPOOL_DIRECTORY": "off",  # what the broker does not take is to be seen
            "PYTHONPATH": str(self._services),
        }
        more = {**self.settings, **more}
        return {**os.environ, **own, **fixed, **{name.upper(): str(value) for name, value in more.items()}}


@contextmanager
def gate_running(
    servers: Servers, name: str, connections: int = 3, services: Path = SERVICES, **settings: str
) -> Iterator[Gate]:
    """Set up a gate without writers, and take it down again. Its roles are the server's: one gate at a time.

    ``services``: a folder of services with their entry points, which is on the path of ``apply`` and the writers.
    """
    gate = Gate(servers, name, connections, services, settings)
    try:
        gate.set_up()
        yield gate
    finally:
        gate.tear_down()
