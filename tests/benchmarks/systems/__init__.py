"""The systems by name."""

from __future__ import annotations

from tests.benchmarks.systems.base import System
from tests.benchmarks.systems.direct import direct, limit
from tests.benchmarks.systems.pgbench import pgbench
from tests.benchmarks.systems.pgbouncer import pgbouncer
from tests.benchmarks.systems.stock import batches, celery
from tests.benchmarks.systems.writegate import many, single

__all__ = ["SYSTEMS", "System"]

SYSTEMS: dict[str, System] = {
    system.name: system
    for system in (
        direct(4),
        direct(16),
        direct(64, variants=True),
        direct(200),
        pgbouncer,
        pgbench,
        celery,
        batches,
        single,
        many,
        limit,
    )
}
