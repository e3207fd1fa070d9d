"""The rig: a gate with relays in front of its servers, writers and publishers at work, and what came of it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random

from tests.deadlines import patient
from tests.faults.checker import Effect, End, Verdict, check
from tests.faults.cluster import FIRST, ClusteredStack
from tests.faults.commits import CommitRelay
from tests.faults.history import History, Record
from tests.faults.publishers import Publishers
from tests.faults.publishing import TRUSTING, Stream
from tests.faults.watch import Watch
from tests.integration.gate import WRITER, Gate, gate_running
from tests.integration.writer_processes import WriterProcess
from tests.relay import Relay
from tests.servers import Servers
from tests.services.trial.contract import trial
from writegate.contract.lanes import lane_of
from writegate.publishing import Publisher

DOMAIN = "trial"
WRITERS = ("writer-1", "writer-2", "writer-3")
PUBLISHERS = 4
# For three writers of two slots each: one connection fewer than they could use.
CONNECTIONS = 8
LEASE_SECONDS = 3.0
HEARTBEAT_SECONDS = 2
PUBLISH_TIMEOUT_SECONDS = 3
PATIENCE_SECONDS = patient(180)  # whatever must happen by itself once a fault is over
PILED_UP = 5  # messages behind the one that is held up

# What a control takes out: the change of the writers' code, or of the publishers'.
CONTROLS = {
    "ledger": "without_ledger",
    "acks": "acks_on_delivery",
    "basic-cancel": "cancels_consumers",
    "fence": "without_fence",
    "confirms": None,
}


class Rig:
    """Everything that is at work, and what faults may do to it."""

    def __init__(self, gate: Gate, directory: Path, seed: int, without: str | None, writers: Sequence[str]) -> None:
        self.gate = gate
        self.writers = writers
        self.servers = gate.servers
        self.stack = gate.servers.stack
        self.random = Random(seed)
        self._directory = directory
        self._altered = CONTROLS[without] if without else None
        state = self.stack.state
        if isinstance(self.stack, ClusteredStack):
            self.nodes: tuple[str, ...] = self.stack.nodes
            ports = [self.stack.port(node) for node in self.nodes]
        else:
            self.nodes, ports = (FIRST,), [state.ports[FIRST]]
        self.database = CommitRelay(state.ports["postgres"])
        self.broker = Relay(*ports)
        self.publishing = Relay(*ports)
        self.relays = (self.database, self.broker, self.publishing)
        environment = gate.environment(
            DOMAIN,
            writegate_broker_url=self.publishing.in_place(gate.broker.url(DOMAIN)),
            writegate_publish_timeout_seconds=PUBLISH_TIMEOUT_SECONDS,
            writegate_heartbeat_seconds=HEARTBEAT_SECONDS,
            **({TRUSTING: "1"} if without == "confirms" else {}),
        )
        self.publishers = Publishers(directory, environment, str(seed))
        self.watch = Watch(gate)
        self._deadlocks_before = self._deadlocks()

    # Writers.

    def start_writer(self, name: str) -> WriterProcess:
        """Start a writer as its supervisor would, without waiting for it."""
        return self.gate.writers.start(
            name,
            altered=self._altered,
            wait=False,
            writegate_database_url=self.database.in_place(self.servers.database_url(WRITER, self.gate.name)),
            writegate_broker_url=self.broker.in_place(self.gate.broker.url(WRITER)),
            writegate_lease_seconds=LEASE_SECONDS,
            writegate_heartbeat_seconds=HEARTBEAT_SECONDS,
        )

    def owner(self) -> str:
        """Return the name of the writer that holds the domain, or held it last; nothing when it was given back."""
        name = self.gate.database.value(
            "SELECT split_part(owner, '@', 1) FROM writegate.domain WHERE name = %s", [DOMAIN]
        )
        return name or ""

    def at_work(self) -> str:
        """Return the name of the writer that holds the domain, once one of the planned ones does."""
        seen: list[str] = []

        def found() -> bool:
            seen.append(self.owner())
            return seen[-1] in self.writers

        self.wait(found, "a writer holds the domain")
        return seen[-1]

    def victim(self) -> str:
        """Choose a writer, most often the one at work."""
        return self.at_work() if self.random.random() < 0.7 else self.random.choice(self.writers)

    def signal(self, writer: str, number: int) -> None:
        self.gate.writers[writer].process.send_signal(number)

    @contextmanager
    def held_up(self) -> Iterator[str]:
        """Keep the writer that serves the domain inside a transaction, with more waiting behind it; yield its name."""
        holding = self.servers.superuser(self.gate.name)
        holding.autocommit = False
        # Closing it lets go of the table.
        with closing(holding), holding.cursor() as cursor:
            cursor.execute("LOCK TABLE trial.step IN SHARE ROW EXCLUSIVE MODE")
            self.wait(lambda: bool(self._waiting()), "a writer waits for the table")
            name = self._waiting()[0]
            writer = self.gate.writers[name]
            self.wait(
                lambda: writer.state().get("domains", {}).get(DOMAIN, {}).get("waiting", 0) >= PILED_UP,
                f"messages pile up in {name}",
            )
            yield name

    def _waiting(self) -> list[str]:
        rows = self.gate.database.sql(
            "SELECT substring(application_name FROM 'writegate-writer[^ ]* (.*)@') FROM pg_stat_activity"
            " WHERE usename = %s AND wait_event_type = 'Lock' AND query LIKE '%%trial.step%%'",
            [WRITER],
        )
        return [name for (name,) in rows]

    # Time.

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until a condition holds."""
        self.gate.wait(condition, what, PATIENCE_SECONDS)

    def go_on(self, least_seconds: float, most_seconds: float) -> None:
        """Let things go on as they are for a while."""
        time.sleep(self.random.uniform(least_seconds, most_seconds))

    def assert_all_run(self) -> None:
        """Whoever was not killed is there: no fault of a server or a network ends a process."""
        ended = [name for name in self.writers if not self.gate.writers[name].alive]
        ended += [name for name, process in self.publishers.running.items() if process.poll() is not None]
        assert not ended, f"ended by themselves: {', '.join(ended)}"

    def probe(self) -> None:
        """Publish to each lane and wait until that is applied.

        What was published before, and is still in a lane then, has been decided before.
        """
        accounts = {lane_of(name, trial.lanes): name for name in map("probe-{}".format, range(100))}
        with self._publisher() as publisher:
            name = f"probe-{time.monotonic_ns()}"
            record = Record(self._directory / f"{name}.jsonl")
            stream = Stream(name, publisher, record, name)
            steps = [stream.step(account) for account in accounts.values()]
            while not stream.call(steps):
                steps = [stream.step(account) for account in accounts.values()]
            record.close()
        ids = [step.command_id for step in steps]
        found = "SELECT count(DISTINCT id) = %s FROM trial.step WHERE id = ANY(%s)"
        self.wait(lambda: bool(self.gate.database.value(found, [len(ids), ids])), "what is published is applied")

    def _publisher(self) -> Publisher:
        return self.gate.broker.publisher(WRITEGATE_PUBLISH_TIMEOUT_SECONDS=str(PUBLISH_TIMEOUT_SECONDS))

    # The end.

    def finish(self) -> Verdict:
        """Stop publishing, wait until all is decided, stop the writers, and check."""
        self.publishers.stop()
        self.probe()
        left = "SELECT count(*) = 0 FROM writegate.deferred WHERE state = 'deferred'"
        self.wait(lambda: bool(self.gate.database.value(left)), "nothing is deferred any more")
        self.gate.writers.stop_all()
        return check(History.read(self._directory.glob("*.jsonl")), self._end())

    def _end(self) -> End:
        sql = self.gate.database.sql
        return End(
            effects=[Effect(*row) for row in sql("SELECT id, stream, account, seq FROM trial.step ORDER BY position")],
            parked={id_ for (id_,) in sql("SELECT id FROM writegate.parked")},
            deferred={id_ for (id_,) in sql("SELECT id FROM writegate.deferred WHERE state = 'deferred'")},
            queued=sum(self.gate.broker.ready_counts().values()),
            deadlocks=self._deadlocks() - self._deadlocks_before,
            collisions=self.watch.collisions,
            peak_connections=self.watch.peak_connections,
            budget=self.gate.connections,
        )

    def _deadlocks(self) -> int:
        """Count them in the server's log: its own counters do not survive a crash."""
        logs = self.stack.home.logs.glob("postgres.log*")
        return sum(len(re.findall("ERROR:  deadlock detected", log.read_text(errors="replace"))) for log in logs)


@contextmanager
def rig_running(
    servers: Servers,
    directory: Path,
    *,
    seed: int,
    without: str | None = None,
    writers: int = len(WRITERS),
    publishers: int = PUBLISHERS,
) -> Iterator[Rig]:
    """Set up a gate with writers and publishers at work, and take it down again. ``directory`` keeps the histories."""
    directory.mkdir(parents=True, exist_ok=True)
    with gate_running(servers, "gate_faults", CONNECTIONS) as gate:
        rig = Rig(gate, directory, seed, without, WRITERS[:writers])
        try:
            with rig.watch:
                for name in rig.writers:
                    rig.start_writer(name)
                for _ in range(publishers):
                    rig.publishers.start()
                rig.probe()
                yield rig
        finally:
            rig.publishers.end()
            for relay in rig.relays:
                relay.close()


def keep_logs(servers: Servers, directory: Path) -> None:
    """Copy what servers and writers have printed next to the histories."""
    for log in servers.stack.home.logs.iterdir():
        (directory / log.name).write_bytes(log.read_bytes())
