"""A gate of its own for tests of the writer: database, virtual host, real writer processes, services of the tests.

Its parts are in modules of their own: what is in the database, what is at the broker, the writers as processes, the
operator.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any

from tests import preloaded
from tests.deadlines import patient
from tests.integration.gate_broker import PASSWORD, GateBroker
from tests.integration.gate_database import GateDatabase
from tests.integration.operator_shell import OperatorShell
from tests.integration.writer_processes import WriterProcesses
from tests.servers import OWNER, Servers
from writegate_devkit.stack.readiness import wait_until

CHECKOUT = Path(__file__).parents[2]
SERVICES = CHECKOUT / "tests/services"
PARTNER = CHECKOUT / "tests/partner"  # joins them in the tests that put it on the path
WRITER, READER, OPERATOR = "writegate_writer", "writegate_reader", "writegate_operator"
PATIENCE_SECONDS = patient(90)


class Gate:
    """One gate: its settings, and its parts."""

    def __init__(self, servers: Servers, name: str, connections: int, services: Path, settings: dict[str, str]) -> None:
        self.servers = servers
        self.name = name
        self.connections = connections
        self.settings = settings  # of all that is started from now on
        self._services = services
        self._own_services = {
            point.name
            for folder in (services, PARTNER)
            for path in folder.glob("*.dist-info")
            for point in Distribution.at(path).entry_points
        }
        self.database = GateDatabase(servers, name, self.wait)
        self.broker = GateBroker(servers, name, self._own_services, self.environment)
        self.writers = WriterProcesses(name, servers.stack.home.logs, lambda **more: self.environment(WRITER, **more))
        self.operator = OperatorShell(self._operator_settings)

    def set_up(self) -> None:
        """Create the database, and apply to it and to the broker."""
        self.servers.create_database(self.name)
        self.apply()

    def apply(self) -> None:
        """Apply what is declared now."""
        done = preloaded.run("writegate", "apply", "--yes", env=self.environment(OWNER))
        assert done.returncode == 0, done.stdout + done.stderr

    def tear_down(self) -> None:
        """Kill the writers, and remove the database and the virtual host."""
        self.writers.kill_all()
        self.database.drop()
        self.broker.drop()

    def environment(self, user: str, **more: Any) -> dict[str, str]:
        """Return a process's environment: ``owner`` (for apply), the writer, or a service."""
        own: dict[str, str] = {}
        if user == OWNER:
            passwords = {f"WRITEGATE_PASSWORD_{name.upper()}": PASSWORD for name in self._own_services}
            own = {**self.servers.stack.environment("owner"), **passwords}
        if user in {OWNER, WRITER}:
            own["WRITEGATE_DATABASE_URL"] = self.servers.database_url(user, self.name)
        own["WRITEGATE_BROKER_URL"] = self.broker.url(user)
        fixed = {
            "WRITEGATE_CONNECTIONS": str(self.connections),
            "WRITEGATE_SLOTS": "2",
            "WRITEGATE_LEASE_SECONDS": "2",  # many tests wait until a dead writer's lease has expired
            "WRITEGATE_SPOOL_DIRECTORY": "off",  # a test shall see what the broker does not take
            "PYTHONPATH": str(self._services),
        }
        more = {**self.settings, **more}
        return {**os.environ, **own, **fixed, **{name.upper(): str(value) for name, value in more.items()}}

    def wait(self, condition: Callable[[], bool], what: str, seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until a condition holds; fail with the last lines of the writers' logs when it does not."""
        self.writers.wait(condition, what, seconds)

    def wait_shared(self, *names: str) -> None:
        """Wait until these writers, and no others, serve all domains, as evenly as their number allows."""
        self.writers.wait_shared(self.database.value("SELECT count(*) FROM writegate.domain"), *names)

    def assert_drained(self, service: str = "trial") -> None:
        """Wait until nothing is ready, stop the writers; nothing may be left, unacknowledged messages included.

        A message that came again may still be on its way when everything it brings is applied.
        """
        wait_until(lambda: set(self.broker.ready_counts(service).values()) == {0}, PATIENCE_SECONDS)
        self.writers.stop_all()
        left = self.broker.ready_counts(service)
        assert set(left.values()) == {0}, left

    def _operator_settings(self) -> dict[str, str]:
        own = self.servers.stack.environment("operator")
        broker, database = self.broker.url(OPERATOR), self.servers.database_url(READER, self.name)
        return {**own, "WRITEGATE_BROKER_URL": broker, "WRITEGATE_DATABASE_URL": database}


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
