"""The workloads by name."""

from __future__ import annotations

from tests.benchmarks.workloads.base import Statement, Workload
from tests.benchmarks.workloads.events import insert
from tests.benchmarks.workloads.readings import upsert
from tests.benchmarks.workloads.shop import mixed
from tests.benchmarks.workloads.tpcb import tpcb
from tests.benchmarks.workloads.transfers import transfers

__all__ = ["WORKLOADS", "Statement", "Workload"]

WORKLOADS = {
    workload.name: workload
    for workload in (
        tpcb(1),
        tpcb(50),
        transfers("hot", 50),
        transfers("spread", 100_000),
        insert,
        upsert,
        mixed,
    )
}
