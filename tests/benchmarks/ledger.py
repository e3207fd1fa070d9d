"""What the ledger costs as it grows: ``python -m tests.benchmarks.ledger [ROWS]``, by default ten million.

With less than a hundred thousand rows it is a smoke run: few batches, whose figures mean nothing.

Fills a private database with the decisions of a week, half of them under UUIDv7 ids and half under the UUIDv4 ids of
stock producers. Measures what a batch pays for the ledger, bytes a row, and dropping a day while batches are decided.
"""

from __future__ import annotations

import itertools
import statistics
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from rich.console import Console
from rich.table import Table

from tests.benchmarks.ledger_rows import DAYS, fill, make_days
from tests.integration.gate import SERVICES, WRITER, Gate
from tests.servers import servers_running
from writegate.config import Settings
from writegate.contract.ids import new_id
from writegate_writer.database import transaction
from writegate_writer.database.session import Session, engine_of
from writegate_writer.decide.store import APPLIED, Decision, Owner
from writegate_writer.errors import DatabaseFault, Fault

ROWS = 10_000_000
FEW_ROWS = 100_000
DROPPED_DAYS = 3
COMMANDS = 500  # of a batch
STEPS = ("look_up", "insert", "commit")

# Each service has ids of one kind, as its producers would.
KINDS: Mapping[str, Callable[[], str]] = {"flights": new_id, "fleet": lambda: str(uuid.uuid4())}
LABELS = {"flights": "UUIDv7", "fleet": "UUIDv4"}

_SIZE = """
select sum(pg_total_relation_size(inhrelid))::bigint from pg_inherits where inhparent = 'writegate.ledger'::regclass
"""


@dataclass(frozen=True)
class Size:
    """How much is measured. ``rows``: of the ledger, one after the other."""

    rows: tuple[int, int]
    batches: int = 200
    quiet_seconds: float = 5.0
    """How long batches are decided without a drop, for comparison."""

    @classmethod
    def of(cls, rows: int) -> Size:
        """Return the size for so many rows."""
        return cls((FEW_ROWS, rows)) if rows > FEW_ROWS else cls((rows // 2, rows), batches=5, quiet_seconds=1.0)


@dataclass(frozen=True)
class Costs:
    """Of one batch, in milliseconds: fence and look-up, the rows' insert, the commit."""

    look_up: float
    insert: float
    commit: float

    @property
    def total(self) -> float:
        return self.look_up + self.insert + self.commit


class Ledger:
    """A gate's database without writers: batches are decided here, with no handler in them."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.settings = Settings.load({"WRITEGATE_DATABASE_URL": gate.servers.database_url(WRITER, gate.name)})
        gate.database.sql(
            "UPDATE writegate.domain SET owner = 'benchmark', epoch = 1, lease_until = now() + interval '1 day'"
        )
        make_days(gate)

    @contextmanager
    def session(self) -> Iterator[Session]:
        session = Session(engine_of(self.settings, "benchmark"))
        try:
            yield session
        finally:
            session.close()

    def fill(self, rows: int) -> None:
        """Add rows, as many for each service and day."""
        fill(self.gate, rows, ordered="flights", random="fleet")

    def decide(self, session: Session, service: str) -> Costs:
        """Decide a batch as a writer does."""
        owner = Owner("benchmark", service, 1, 3600.0)
        ids = [KINDS[service]() for _ in range(COMMANDS)]
        days = 1 if service == "flights" else DAYS + 1
        marks = [time.perf_counter()]
        since = datetime.now(UTC).date() - timedelta(days=days)
        opened = transaction.open_transaction(session, owner, service, ids, since)
        marks.append(time.perf_counter())
        transaction.enter(session, owner, opened, service, len(ids))
        transaction.leave_role(session, owner, opened, service, [Decision(id_, APPLIED, 1) for id_ in ids], None)
        marks.append(time.perf_counter())
        transaction.commit(session, service)
        marks.append(time.perf_counter())
        return Costs(*((after - before) * 1000 for before, after in itertools.pairwise(marks)))

    def rows(self) -> int:
        return int(self.gate.database.value("SELECT count(*) FROM writegate.ledger"))

    def bytes(self) -> int:
        return int(self.gate.database.value(_SIZE))


class Load:
    """Batches of every service, one connection each, as fast as it goes, for as long as the block lasts."""

    def __init__(self, measured: Ledger) -> None:
        self._measured = measured
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._decide, args=[service]) for service in KINDS]
        self.ended: list[tuple[float, float]] = []  # when, and how long it took in milliseconds

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def longest(self, since: float, until: float) -> float:
        """Return the milliseconds of the longest batch of a time that was going on in this one."""
        return max(took for at, took in self.ended if at >= since and at - took / 1000 <= until)

    def _decide(self, service: str) -> None:
        with self._measured.session() as session:
            while not self._stop.is_set():
                took = self._measured.decide(session, service).total
                self.ended.append((time.perf_counter(), took))


def measure_batches(measured: Ledger, batches: int, table: Table) -> None:
    rows, size = measured.rows(), measured.bytes()
    with measured.session() as session:
        for service in KINDS:
            costs = [measured.decide(session, service) for _ in range(batches)]
            medians = [statistics.median(getattr(cost, step) for cost in costs) for step in STEPS]
            total = sorted(cost.total for cost in costs)
            median = statistics.median(total)
            table.add_row(
                f"{rows:,}", LABELS[service], *(f"{step:.1f}" for step in medians), f"{median:.1f}",
                f"{total[int(len(total) * 0.95)]:.1f}", f"{COMMANDS / median * 1000:,.0f}",
                f"{size / rows:.0f}",
            )  # fmt: skip


def drop(session: Session) -> date:
    """Drop a day as a writer does, which is put off when the ledger is in use for long."""
    while True:
        try:
            [(day,)] = session.own("SELECT writegate.drop_ledger_partition()")
        except DatabaseFault as error:
            if error.fault is not Fault.CONFLICT:
                raise
        else:
            assert isinstance(day, date), "expected a day whose time is over"
            return day


def measure_drops(measured: Ledger, quiet_seconds: float, console: Console) -> None:
    """Drop some days under load."""
    retention = timedelta(days=DAYS - DROPPED_DAYS - 2)  # two days of margin
    measured.gate.database.sql("UPDATE writegate.service SET retention = %s", [retention])
    table = Table("dropped", "the call, ms", "longest batch meanwhile, ms", box=None)
    with Load(measured) as load, measured.session() as session:
        began = time.perf_counter()
        time.sleep(quiet_seconds)
        quiet = (began, time.perf_counter())
        decided = len(load.ended) * COMMANDS / quiet_seconds
        for _ in range(DROPPED_DAYS):
            before = time.perf_counter()
            day = drop(session)
            after = time.perf_counter()
            time.sleep(1)  # the batches that it kept waiting end
            table.add_row(str(day), f"{(after - before) * 1000:.0f}", f"{load.longest(before, after):.0f}")
    console.print(table)
    longest = load.longest(*quiet)
    console.print(
        f"longest batch in {quiet_seconds:g} s without a drop: {longest:.0f} ms, at {decided:,.0f} commands/s"
    )


def main() -> None:
    size = Size.of(int(sys.argv[1]) if len(sys.argv) > 1 else ROWS)
    console = Console()
    with servers_running() as servers:
        gate = Gate(servers, "ledger_benchmark", 4, SERVICES, {})
        try:
            gate.set_up()
            measured = Ledger(gate)
            table = Table(
                "rows", "ids", "look-up", "insert", "commit", "batch, ms", "95 %", "commands/s", "bytes/row", box=None
            )
            for more in (size.rows[0], size.rows[1] - size.rows[0]):
                measured.fill(more)
                measure_batches(measured, size.batches, table)
            console.print(f"Medians of {size.batches} batches of {COMMANDS} commands, in milliseconds:")
            console.print(table)
            measure_drops(measured, size.quiet_seconds, console)
        finally:
            gate.tear_down()


if __name__ == "__main__":
    main()
