"""Running the histories of many seeds, in several processes."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

from tests.simulation.controls import CONTROLS
from tests.simulation.run import Failure, run
from tests.simulation.writers import Parts

_CHUNK = 20  # histories that a process takes at a time: some take much longer than others


@dataclass(frozen=True)
class Result:
    """What came of a seed, in a form that goes from one process to another."""

    seed: int
    accepted: int
    failure: str | None
    trace: str


def simulate(seed: int, *, without: str | None = None, trace: bool = False) -> Result:
    """Run the history of a seed."""
    outcome = run(seed, CONTROLS[without] if without else Parts())
    failure = str(outcome) if isinstance(outcome, Failure) else None
    return Result(seed, outcome.accepted, failure, "\n".join(outcome.history.lines()) if trace else "")


def simulate_all(seeds: range, jobs: int, *, without: str | None = None, trace: bool = False) -> Iterator[Result]:
    """Yield the result of every seed in order; ``jobs`` processes run them."""
    work = partial(simulate, without=without, trace=trace)
    if jobs == 1:
        yield from map(work, seeds)
        return
    pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"))
    try:
        yield from pool.map(work, seeds, chunksize=_CHUNK)
    finally:
        pool.shutdown(cancel_futures=True)
