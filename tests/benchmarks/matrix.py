"""Which runs there are, in which order, and what they gave."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from tests.benchmarks import growth
from tests.benchmarks.growth import Growth
from tests.benchmarks.jobs import CLEAN, POISON, ROUND_TRIPS, VARIANTS, Job, Percentiles
from tests.benchmarks.measure import Measured, measure
from tests.benchmarks.place import Place
from tests.benchmarks.systems import SYSTEMS, System
from tests.benchmarks.workloads import WORKLOADS

LATENCY_WORKLOAD = "tpcb-1"
LOADS = (25, 50, 90)
"""Of a system's own capacity, in percent."""
FIXED_RATE = 1000.0
"""Commands a second at which the ways through the gate are timed once more: a figure that does not move with them."""

Say = Callable[[str], None]


@dataclass(frozen=True, order=True)
class Cell:
    """A place in the matrix."""

    system: str
    workload: str
    variant: str = CLEAN


@dataclass
class Figures:
    """What was measured of a cell, run by run, and latencies by load."""

    runs: list[Measured] = field(default_factory=list)
    latency_ms: dict[str, Percentiles] = field(default_factory=dict)
    publish_ms: dict[str, Percentiles] = field(default_factory=dict)

    @property
    def median(self) -> float:
        """Committed effects a second."""
        return statistics.median(run.effects_per_s for run in self.runs)


Matrix = dict[Cell, Figures]


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    rounds: int
    seconds: float
    workloads: tuple[str, ...]
    variants: tuple[str, ...]
    latency_seconds: float = 0.0
    """How long each open loop is; 0: latency is not measured."""
    growth: Growth | None = None

    @property
    def scales(self) -> tuple[int, ...]:
        """The scales of TPC-B that are needed."""
        return tuple(scale for scale in (1, 50) if f"tpcb-{scale}" in self.workloads)


FULL = Size(3, 2.5, tuple(WORKLOADS), VARIANTS, latency_seconds=5.0, growth=growth.FULL)
QUICK = Size(2, 2.5, ("tpcb-1", "hot"), (CLEAN,))
SMOKE = Size(1, 1.0, ("tpcb-1",), (CLEAN,), latency_seconds=0.5, growth=growth.SMOKE)


def measure_matrix(place: Place, size: Size, systems: Sequence[str], say: Say) -> Matrix:
    """Measure every cell, all systems by turns, each round in another order."""
    matrix: Matrix = defaultdict(Figures)
    for number in range(size.rounds):
        for name in [*systems[number:], *systems[:number]]:
            system = SYSTEMS[name]
            with system.running(place) as running:
                for cell in _cells(system, size):
                    # A backlog with poison takes long to drain, and a third of it shows as much.
                    most = Job.most // 3 if cell.variant == POISON else Job.most
                    job = Job(cell.workload, cell.variant, size.seconds, seed=number + 1, most=most)
                    run = measure(place, running, job)
                    matrix[cell].runs.append(run)
                    where = f"{name:15} {cell.workload:8} {cell.variant:8}"
                    rate = f"{run.effects_per_s:10,.0f}/s{'' if run.exact else '  NOT EXACT'}"
                    say(f"round {number + 1}  {where} {rate}")
    return matrix


def measure_latency(place: Place, matrix: Matrix, seconds: float, systems: Sequence[str], say: Say) -> None:
    """Measure what a command takes when so many arrive, whatever a system does with them: open loops."""
    for name in systems:
        system = SYSTEMS[name]
        if system.workloads and LATENCY_WORKLOAD not in system.workloads:
            continue
        cell = matrix[Cell(name, LATENCY_WORKLOAD)]
        rates = {str(load): cell.median * load / 100 for load in LOADS}
        if name.startswith("writegate"):
            rates[f"{FIXED_RATE:.0f}/s"] = FIXED_RATE
        with system.running(place) as running:
            for load, rate in rates.items():
                if not rate:
                    continue  # it committed nothing: a share of that is no load
                run = measure(place, running, Job(LATENCY_WORKLOAD, CLEAN, seconds, rate=rate))
                if not run.latency_ms:
                    say(f"latency  {name:15} at {rate:8,.0f}/s  nothing was committed")
                    continue
                cell.latency_ms[load], cell.publish_ms[load] = run.latency_ms, run.call_ms
                say(f"latency  {name:15} at {rate:8,.0f}/s  p50 {run.latency_ms['p50']:8.1f} ms")


def _cells(system: System, size: Size) -> Iterator[Cell]:
    workloads = [name for name in size.workloads if not system.workloads or name in system.workloads]
    variants = size.variants if system.variants else (CLEAN,)
    for workload in workloads:
        yield from (Cell(system.name, workload, variant) for variant in variants if variant != ROUND_TRIPS)
    # At the end: the writer is started again for these.
    if ROUND_TRIPS in variants:
        yield from (Cell(system.name, workload, ROUND_TRIPS) for workload in workloads)
