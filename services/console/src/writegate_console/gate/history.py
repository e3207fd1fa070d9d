"""Metrics of the last hours, as the writers sampled them: at most as many points as a chart can show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from writegate_console.gate.database import Database, Row

Period = Literal["15m", "1h", "24h"]
PERIODS: Final[Mapping[Period, int]] = {"15m": 900, "1h": 3600, "24h": 86_400}  # seconds
POINTS = 180
SAMPLE_SECONDS = 10

# A sample has no row for a service that did nothing, and none for a service with nothing parked: that means 0.
RATES = ("commands_per_second", "commits_per_second")
COUNTS = ("parked_commands", "deferred_commands")
GAUGES = ("writer_connections", "server_connections", "deadlocks")

# Some of the samples, spread evenly, and only their rows: found by an index, and the same ones in the next query.
_SAMPLES = """
WITH picked AS MATERIALIZED (
    SELECT min(at) AS at FROM writegate.history
    WHERE name = 'sampled' AND at > clock_timestamp() - %(seconds)s * interval '1 second'
    GROUP BY floor(extract(epoch FROM at) / %(step)s)
)
SELECT p.at, h.name, h.value FROM picked p LEFT JOIN LATERAL (
    SELECT name, sum(value) AS value FROM writegate.history
    WHERE at = p.at AND name = ANY(%(names)s) AND (%(service)s::text IS NULL OR labels ->> 'service' = %(service)s)
    GROUP BY name
) h ON true ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class History:
    """Metrics by name: one value for each time in ``at``, None where nothing was measured."""

    period: Period
    step_seconds: int
    at: Sequence[datetime]
    values: Mapping[str, Sequence[float | None]]

    def latest(self, name: str) -> float | None:
        """Return the last known value of a metric."""
        return next((value for value in reversed(self.values[name]) if value is not None), None)


def read_history(database: Database, period: Period, service: str | None = None) -> History:
    """Return the metrics of a period, of one service or of the whole gate."""
    step = max(SAMPLE_SECONDS, PERIODS[period] // POINTS)
    names = (*RATES, *COUNTS) if service else (*RATES, *COUNTS, *GAUGES)
    parameters = {"seconds": PERIODS[period], "step": step, "names": list(names), "service": service}
    return history_of(period, step, names, database.all(_SAMPLES, parameters))


def history_of(period: Period, step: int, names: Sequence[str], rows: Sequence[Row]) -> History:
    """Return rows of ``at``, ``name`` and ``value`` as series. Pure."""
    samples: dict[datetime, dict[str, float]] = {}
    for row in rows:
        sample = samples.setdefault(row["at"], {})
        if row["name"] is not None:
            sample[row["name"]] = row["value"]
    values = {
        name: [sample.get(name, None if name in GAUGES else 0.0) for sample in samples.values()] for name in names
    }
    return History(period, step, list(samples), values)
