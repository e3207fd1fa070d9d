"""One run of one system, measured from outside: what the database has committed, not what a system reports."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from tests.benchmarks.jobs import Job, Percentiles, Report
from tests.benchmarks.place import Place
from tests.benchmarks.systems.base import Running
from tests.benchmarks.watch import Seen, Watch
from tests.benchmarks.workloads import WORKLOADS, Workload

_POLL_SECONDS = 0.03
_STALLED_SECONDS = 20.0

# The server's own time of commit, against the time the command was due, which is in its note.
_LATENCY = """
    with one as (
        select (extract(epoch from pg_xact_commit_timestamp(xmin))::float8 - filler::float8) * 1000 as ms
        from {schema}.pgbench_history
    )
    select percentile_disc(0.5) within group (order by ms), percentile_disc(0.95) within group (order by ms),
           percentile_disc(0.99) within group (order by ms), max(ms)
    from one
"""


@dataclass
class Measured:
    """The figures of a run."""

    effects_per_s: float
    seen: Seen
    applied: int
    exact: bool
    """Whether each good command was applied once, and the tables agree with each other."""
    call_ms: Percentiles = field(default_factory=dict)
    latency_ms: Percentiles = field(default_factory=dict)
    retries: int = 0
    setting: str = ""
    """The best of several, for a system that tries them."""


def measure(place: Place, running: Running, job: Job) -> Measured:
    """Do one job and measure it."""
    workload = WORKLOADS[job.workload]
    running.prepare(job)
    place.reset(workload)
    [before] = place.row(workload.effects)
    totals = place.row(workload.totals)
    with Watch(place.url, {**running.processes, **place.server_processes()}) as watch:
        outcome = running.run(job)
        sent = sum(report.sent for report in outcome.reports)
        ended = _applied(place, workload, before + sent) if running.queued else None
    applied = place.row(workload.effects)[0] - before
    unnoticed = sum(report.refused for report in outcome.reports) if workload.overwrites else 0
    change = tuple(now - then for now, then in zip(place.row(workload.totals), totals, strict=True))
    return Measured(
        effects_per_s=_rate(outcome.reports, applied, ended),
        seen=watch.seen,
        applied=applied,
        exact=sent <= applied <= sent + unnoticed and workload.agree(change),
        call_ms=_worst([report.call_ms for report in outcome.reports]),
        latency_ms=outcome.latency_ms or (_latency(place, workload) if job.rate is not None else {}),
        retries=sum(report.retries for report in outcome.reports),
        setting=running.setting,
    )


def _applied(place: Place, workload: Workload, wanted: int) -> float:
    """Return when all commands were applied, or when nothing came any more."""
    last, since = -1, time.time()
    while True:
        [now] = place.row(workload.effects)
        if now >= wanted:
            return time.time()
        if now != last:
            last, since = now, time.time()
        elif time.time() - since > _STALLED_SECONDS:
            return since
        time.sleep(_POLL_SECONDS)


def _rate(reports: list[Report], applied: int, ended: float | None) -> float:
    if ended is None:
        # The transactions that were open when time was up are left out.
        return sum(report.counted / report.seconds for report in reports)
    return applied / (ended - min(report.started for report in reports))


def _latency(place: Place, workload: Workload) -> Percentiles:
    schema = f"{workload.name.replace('-', '_')}"
    [row] = place.gate.database.sql(_LATENCY.format(schema=schema))
    if None in row:
        return {}  # nothing was committed
    return dict(zip(("p50", "p95", "p99", "max"), map(float, row), strict=True))


def _worst(each: list[Percentiles]) -> Percentiles:
    """Return the highest of several processes' percentiles: theirs together are not known, and not above these."""
    return {
        name: max(values[name] for values in each if name in values)
        for name in {name for values in each for name in values}
    }
