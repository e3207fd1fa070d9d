"""What one step of growth gave."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.benchmarks.jobs import Percentiles
from tests.benchmarks.watch import Seen


@dataclass(frozen=True)
class Cost:
    """What runs of so many commands cost: CPU and peak memory by group of processes."""

    peak_connections: int
    peak_rss_mb: dict[str, float]
    cpu_s_per_1000: dict[str, float]


def cost_of(seen: Sequence[Seen], commands: int) -> Cost:
    """Return the most that was seen in several runs; of CPU the median. ``commands``: of each run."""
    thousands = max(1, commands) / 1000
    return Cost(
        max(run.peak_connections for run in seen),
        # A run that ended before the first look at the processes has no memory to show.
        {name: max(run.peak_rss_mb.get(name, 0.0) for run in seen) for name in seen[0].cpu_s},
        {name: statistics.median(run.cpu_s[name] for run in seen) / thousands for name in seen[0].cpu_s},
    )


@dataclass(frozen=True)
class Point:
    """``x``: how many there are of what grows. ``runs``: each one's committed effects a second."""

    series: str
    x: int
    runs: Sequence[float]
    cost: Cost
    exact: bool
    """Whether each command was applied once."""
    latency_ms: Percentiles = field(default_factory=dict)
    call_ms: Percentiles = field(default_factory=dict)
    note: str = ""

    @property
    def effects_per_s(self) -> float:
        """The median."""
        return statistics.median(self.runs)
