"""Growth of a backlog, and of the ledger that a backlog is decided against."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from tests.benchmarks.drain import WORKLOAD, Drain, Drained, Publish, packed, single
from tests.benchmarks.ledger_rows import fill, make_days
from tests.benchmarks.place import Place
from tests.benchmarks.point import Point, cost_of
from writegate import Command


@dataclass(frozen=True)
class LedgerSize:
    """The ledgers by their rows, and the backlogs that are drained against each."""

    rows: tuple[int, ...]
    backlog: int
    runs: int


def measure_backlog(place: Place, drain: Drain, count: int, times: int, *, many_a_message: bool) -> Point:
    """Drain a backlog of so many commands several times, each time with an empty ledger."""
    publish: Publish = packed if many_a_message else single
    runs = []
    for number in range(times):
        place.reset(WORKLOAD)
        runs.append(drain.measure(_commands(count, number), count, publish))
    return _point("backlog" if many_a_message else "backlog, single messages", count, runs)


def measure_ledger(place: Place, drain: Drain, size: LedgerSize) -> Iterator[Point]:
    """Drain packed backlogs against each size of the ledger, with ids of ours and with those of stock producers."""
    make_days(place.gate)
    for rows in size.rows:
        ordered: list[Drained] = []
        random: list[Drained] = []
        for number in range(size.runs):
            for runs, stock in ((ordered, False), (random, True)):
                if rows == min(size.rows) or not (ordered or random):
                    # What a run adds would count where there is little; the large one is filled once.
                    place.reset(WORKLOAD)
                    fill(place.gate, rows, ordered=WORKLOAD.service, random=WORKLOAD.service)
                commands = _commands(size.backlog, number, stock=stock)
                runs.append(drain.measure(commands, size.backlog, packed))
        yield _point("ledger", rows, ordered)
        yield _point("ledger, UUIDv4 ids", rows, random)
    place.reset(WORKLOAD)


def _commands(count: int, seed: int, *, stock: bool = False) -> Iterator[Command]:
    """Return commands; with ``stock`` under ids as a stock producer gives them."""
    random = Random(seed)
    made = (WORKLOAD.command(random, False, "") for _ in itertools.repeat(None, count))
    return (command.with_id(str(uuid.uuid4())) for command in made) if stock else made


def _point(series: str, x: int, runs: Sequence[Drained]) -> Point:
    return Point(
        series, x, [run.effects_per_s for run in runs], cost_of([run.seen for run in runs], runs[0].commands),
        exact=all(run.exact for run in runs),
    )  # fmt: skip
