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
    """Return the most that was seen in several runs; of CPU the middle. ``commands``: of each run."""
    return Cost(
        max(one.peak_connections for one in seen),
        {name: max(one.peak_rss_mb[name] for one in seen) for name in seen[0].peak_rss_mb},
        {name: statistics.median(one.cpu_s[name] for one in seen) * 1000 / commands for name in seen[0].cpu_s},
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
