"""What a load is asked to do, and its report of it: passed between processes as lines of JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

CLEAN, POISON, DUPLICATES, ROUND_TRIPS = "clean", "poison1", "dup5", "rtt1"
VARIANTS: Final = (CLEAN, POISON, DUPLICATES, ROUND_TRIPS)
POISON_SHARE: Final = 0.01
DUPLICATE_SHARE: Final = 0.05
ROUND_TRIP_SECONDS: Final = 0.001
"""What a real network adds to each statement."""

Percentiles = dict[str, float]


@dataclass(frozen=True)
class Job:
    """One run. Without ``rate`` as much as goes; with it so many commands a second, come what may (open loop).

    ``most``: commands that a publisher sends at the most, whatever the time: what it is ahead of the writer must be
    drained before the run is over.
    """

    workload: str
    variant: str = CLEAN
    seconds: float = 3.0
    seed: int = 1
    rate: float | None = None
    most: int = 60_000

    @property
    def poison(self) -> float:
        """The share of bad commands."""
        return POISON_SHARE if self.variant == POISON else 0.0

    @property
    def duplicates(self) -> float:
        """The share of commands that are sent a second time."""
        return DUPLICATE_SHARE if self.variant == DUPLICATES else 0.0

    @property
    def pause_seconds(self) -> float:
        """What a client that writes directly waits after each statement."""
        return ROUND_TRIP_SECONDS if self.variant == ROUND_TRIPS else 0.0


@dataclass
class Report:
    """What became of a job.

    ``sent``: good commands handed over or committed, each once. ``counted``: those of them within ``seconds``. Times of
    the calls in milliseconds.
    """

    started: float  # of time.time()
    sent: int
    counted: int
    seconds: float
    refused: int = 0
    retries: int = 0
    call_ms: Percentiles = field(default_factory=dict)


def percentiles(values: Sequence[float]) -> Percentiles:
    """Return p50, p95, p99 and the largest of some values; nothing of none."""
    if not values:
        return {}
    ordered = sorted(values)
    last = len(ordered) - 1
    return {
        **{f"p{share}": ordered[min(last, round(last * share / 100))] for share in (50, 95, 99)},
        "max": ordered[-1],
    }
