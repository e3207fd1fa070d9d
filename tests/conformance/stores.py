"""The stores under the conformance tests: PostgreSQL's, the simulated one, and the one of the test kit.

Each is an empty database in which one domain, of one service, is claimed for ``writer-1``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import Any, Protocol, cast

from sqlalchemy import create_engine

from tests.integration.gate import WRITER, Gate
from tests.servers import SUPERUSER
from tests.simulation import services as simulated
from tests.simulation.database import Database, Lock, Row
from tests.simulation.database import Session as SimulatedSession
from tests.simulation.history import History
from tests.simulation.leases import SimulatedLeases
from tests.simulation.schedule import Group, Schedule
from tests.simulation.store import SimulatedStore
from writegate.config import Settings
from writegate.message.receipt import Cause
from writegate_writer.database.leases import SqlLeases
from writegate_writer.database.lock_conflicts import LockConflicts
from writegate_writer.database.session import APPLICATION, Session, engine_of
from writegate_writer.database.store import SqlStore
from writegate_writer.decide.store import Owner, Removal, Store
from writegate_writer.schedule.clock import SystemClock
from writegate_writer.testing.store import Memory, MemoryStore

LEASE_SECONDS = 60.0
FIRST, SECOND = "writer-1", "writer-2"
FENCE, HOLDS, SUSPECTS, OUTBOX, LIMITS, RECEIPTS, BATCHES, REMOVALS = (
    "fence", "holds", "suspects", "outbox", "limits", "receipts", "batches", "removals",
)  # fmt: skip
# Of the tests' database; the ledger's and the batches' partitions with them.
_TABLES = ("ledger", "batch", "parked", "deferred", "outbox", "emission", "hold", "suspect", "removal")
_HOLD = """
INSERT INTO writegate.hold (target, reason, holder, until)
VALUES (%s, %s, 'me', clock_timestamp() + make_interval(secs => %s))
"""


class Hold(Protocol):
    """What an operator does; ``seconds``: for how long, None: until it is released."""

    def __call__(self, target: str, reason: str, seconds: float | None = None) -> None: ...


@dataclass(frozen=True)
class Stores:
    """``connect`` opens a store over another connection. ``take_over`` ends the lease and claims the domain anew for
    a writer. ``hold`` and ``remove`` are what an operator does."""

    service: str
    owner: Owner
    connect: Callable[[], Store]
    take_over: Callable[[str], Owner]
    hold: Hold
    remove: Callable[[str, bool], None]  # a ledger id, and whether it is dropped


@contextmanager
def postgresql(gate: Gate) -> Iterator[Stores]:
    """The writer's own SQL, in the database of a gate."""
    gate.database.sql("TRUNCATE " + ", ".join(f"writegate.{table}" for table in _TABLES))
    gate.database.sql("UPDATE writegate.domain SET owner = NULL, lease_until = '-infinity'")
    settings = Settings.load(
        {
            "WRITEGATE_DATABASE_URL": gate.servers.database_url(WRITER, gate.name),
            "WRITEGATE_LEASE_SECONDS": str(LEASE_SECONDS),  # the server ends no session of a slow test
        }
    )
    engine = engine_of(settings, APPLICATION)
    sessions: list[Session] = []

    def connect() -> Store:
        sessions.append(session := Session(engine))
        return SqlStore(session, {}, SystemClock(), LockConflicts(()))

    def take_over(writer: str) -> Owner:
        gate.database.sql("UPDATE writegate.domain SET lease_until = '-infinity' WHERE name = 'trial'")
        with closing(Session(engine)) as session:
            [claimed] = SqlLeases(session).claim(writer, ["trial"], LEASE_SECONDS)
        return Owner(writer, "trial", claimed.epoch, LEASE_SECONDS)

    def hold(target: str, reason: str, seconds: float | None = None) -> None:
        gate.database.sql(_HOLD, [target, reason, seconds])

    def remove(ledger_id: str, dropped: bool) -> None:
        columns = "service, ledger_id, dropped, who, reason"
        values = ["trial", ledger_id, dropped, "me", "x"]
        gate.database.sql(f"INSERT INTO writegate.removal ({columns}) VALUES (%s, %s, %s, %s, %s)", values)

    try:
        yield Stores("trial", take_over(FIRST), connect, take_over, hold, remove)
    finally:
        for session in sessions:
            session.close()


@contextmanager
def simulation(_: Gate) -> Iterator[Stores]:
    """The simulated store. Nothing fails, and nobody else is there."""
    schedule = Schedule(Random(1), History())
    database = Database(schedule, Random(1), History(), _NoFaults(), budget=10)
    database.tables["domain"] = {"bank": (None, 0, float("-inf"))}
    group, numbers = Group("test"), count(1)

    def run(work: Callable[[], Any]) -> Any:
        """Have an actor of the simulation do this, as only those may wait."""
        results: list[Any] = []
        errors: list[Exception] = []

        def act() -> None:
            try:
                results.append(work())
            except Exception as error:  # noqa: BLE001  raised again below, where the test sees it
                errors.append(error)

        actor = schedule.spawn(f"call {next(numbers)}", group, act)
        schedule.run(lambda: actor.ended)
        if errors:
            raise errors[0]
        return results[0]

    def connect() -> Store:
        session: SimulatedSession = run(lambda: database.connect(f"session {next(numbers)}", group))
        store = SimulatedStore(session, lambda: "", lambda _: False, lambda: None)
        return cast("Store", _Acting(store, run))

    def take_over(writer: str) -> Owner:
        _, epoch, _ = database.tables["domain"]["bank"]
        database.tables["domain"]["bank"] = (None, epoch, float("-inf"))
        session: SimulatedSession = run(lambda: database.connect(f"session {next(numbers)}", group))
        [claimed] = run(lambda: SimulatedLeases(session).claim(writer, ["bank"], LEASE_SECONDS))
        return Owner(writer, "bank", claimed.epoch, LEASE_SECONDS)

    def hold(target: str, reason: str, seconds: float | None = None) -> None:
        until = None if seconds is None else schedule.now + seconds
        database.tables.setdefault("hold", {})[target] = (reason, "me", 0.0, until)

    def remove(ledger_id: str, dropped: bool) -> None:
        cause = Cause(f"{'dropped' if dropped else 'parked'}-by-people", "x")
        database.tables.setdefault("removal", {})["bank", ledger_id] = Removal(cause, dropped)

    assert simulated.DOMAINS["bank"][0] == ("bank", 0)
    try:
        yield Stores("bank", take_over(FIRST), connect, take_over, hold, remove)
    finally:
        schedule.end()


@contextmanager
def test_kit(gate: Gate) -> Iterator[Stores]:
    """The one of the test kit, whose transactions are savepoints of a test's own."""
    url = gate.servers.database_url(SUPERUSER, gate.name).replace("postgresql", "postgresql+psycopg2", 1)
    engine, memory = create_engine(url), Memory()
    owner = Owner(FIRST, "trial", 1, LEASE_SECONDS)
    with engine.connect() as connection, connection.begin() as transaction:
        yield Stores(
            "trial",
            owner,
            lambda: MemoryStore(connection, {}, memory),
            lambda _: owner,
            lambda *_: None,
            lambda *_: None,
        )
        transaction.rollback()
    engine.dispose()


KINDS: Mapping[str, Callable[[Gate], AbstractContextManager[Stores]]] = {
    "postgresql": postgresql,
    "simulation": simulation,
    "test kit": test_kit,
}
# What a kind does not have by its nature, and why: the tests that need it are none of that kind's.
WITHOUT: Mapping[str, Mapping[str, str]] = {
    "postgresql": {},
    "simulation": {
        RECEIPTS: "nobody asks for receipts in the simulation",
        BATCHES: "there are no batches: the position and the time of a commit mean nothing",
    },
    "test kit": {
        FENCE: "a test is alone with its database",
        REMOVALS: "nobody takes a command out of the way",
        HOLDS: "nobody holds anything, and a type that a writer would hold fails the test",
        SUSPECTS: "what ends the process ends the test",
        OUTBOX: "what is emitted is published at once: no process ends in between",
        LIMITS: "a test does not wait for a time limit",
    },
}


class _NoFaults:
    """A :class:`~tests.simulation.database.Watcher` that does nothing."""

    def fault_at(self, session: SimulatedSession, what: str) -> str | None:  # noqa: ARG002  a protocol's signature
        return None

    def delay(self, session: SimulatedSession) -> None: ...

    def committed(self, session: SimulatedSession, changes: dict[Lock, Row]) -> None: ...


class _Acting:
    """A store each of whose calls is an actor's."""

    def __init__(self, store: Store, run: Callable[[Callable[[], Any]], Any]) -> None:
        self._store = store
        self._run = run

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._store, name)
        return lambda *arguments: self._run(lambda: method(*arguments))
