"""Where the benchmark runs: private servers, a database with the tables of all workloads, a gate."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tests.benchmarks.loads.pgbench import pgbench
from tests.benchmarks.workloads import WORKLOADS, Workload
from tests.benchmarks.workloads.tpcb import schema_of
from tests.integration.gate import Gate, gate_running
from tests.servers import SUPERUSER, Servers, servers_running
from writegate_devkit.stack.database import binaries

SERVICES = Path(__file__).parent / "services"
NAME = "bench"
CONNECTIONS = 3
"""The writers' budget: one process with two slots, and one connection for control."""
LEASE_SECONDS = "6"

OWN_SESSIONS = "benchmark"
"""The application name of sessions that belong to the benchmark itself: they are not counted."""

_SETTINGS = {
    "max_connections": "300",  # 200 connections are one of the systems
    "track_commit_timestamp": "on",  # when a row was committed is asked for latencies
    "shared_buffers": "'1GB'",
    "max_wal_size": "'16GB'",  # no checkpoint in the middle of a run
    "checkpoint_timeout": "'1h'",
}
_SEEN = "create schema bench; create table bench.seen (id bigint primary key)"


class Place:
    """The servers and the gate."""

    def __init__(self, servers: Servers, gate: Gate) -> None:
        self.servers = servers
        self.gate = gate
        self.programs = binaries(servers.stack.home)
        gate.database.sql(f"set application_name = '{OWN_SESSIONS}'")

    @property
    def url(self) -> str:
        """The database, as the superuser: systems that write directly are not to be held back by a role's limit."""
        return self.servers.database_url(SUPERUSER, NAME)

    @property
    def port(self) -> int:
        """PostgreSQL's."""
        return self.servers.stack.state.ports["postgres"]

    def sql(self, text: str) -> None:
        """Run statements, each in a transaction of its own."""
        for statement in filter(str.strip, text.split(";")):
            self.gate.database.sql(statement)

    def row(self, query: str) -> tuple[int, ...]:
        """Return the one row of a query."""
        [row] = self.gate.database.sql(query)
        return tuple(int(value) for value in row)

    def server_processes(self) -> dict[str, list[int]]:
        """Return the first process of each server."""
        stack = self.servers.stack
        return {"postgres": [stack.pid("postgres")], "broker": [stack.pid("rabbitmq")]}

    def reset(self, workload: Workload) -> None:
        """Bring the tables back to where every run starts, the ledger included."""
        self.sql(workload.reset)
        # Whatever refers to these is of the run before, too: a table that is added later must not be named here.
        self.sql("truncate writegate.ledger, writegate.batch, writegate.parked, bench.seen cascade")

    def fill(self, scales: tuple[int, ...]) -> None:
        """Fill the tables; of TPC-B those of some scales."""
        self.sql(_SEEN)
        for statement in dict.fromkeys(statement for workload in WORKLOADS.values() for statement in workload.populate):
            self.sql(statement)
        for scale in scales:
            # g, v, p: generate rows, vacuum, add primary keys. The tables are there.
            options = ("--initialize", "--init-steps", "gvp", "--scale", str(scale), "--quiet")
            pgbench(str(self.programs / "pgbench"), self.url, schema_of(scale), *options)
        self.sql("vacuum analyze")


@contextmanager
def place_running(scales: tuple[int, ...]) -> Iterator[Place]:
    """Start servers, apply and fill everything; take it all down at the end."""
    with servers_running() as servers:
        with closing(servers.superuser()) as connection, connection.cursor() as cursor:
            for name, value in _SETTINGS.items():
                cursor.execute(f"alter system set {name} = {value}")
        servers.stack.restart("postgres")
        servers.stack.wait_ready("postgres")
        with gate_running(servers, NAME, CONNECTIONS, SERVICES, WRITEGATE_LEASE_SECONDS=LEASE_SECONDS) as gate:
            place = Place(servers, gate)
            place.fill(scales)
            yield place
