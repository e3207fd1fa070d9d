"""The worker of celery-batches: many tasks in one transaction, with the set-based SQL of the writer's handlers.

It acknowledges what failed, too, and keeps no ledger: there is nothing here for duplicates and bad commands.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from celery_batches import Batches, SimpleRequest
from sqlalchemy import create_engine, make_url

from tests.benchmarks.loads.handlers import run_handlers
from tests.benchmarks.loads.stock.app import DATABASE, TASK, app, command_of
from tests.benchmarks.workloads import WORKLOADS

FLUSH = "BENCH_FLUSH"
_FLUSH_SECONDS = 0.05

_url = make_url(os.environ[DATABASE]).set(drivername="postgresql+psycopg2")
_engine = create_engine(_url, connect_args={"application_name": "celery-batches"})


@app.task(name=TASK, base=Batches, flush_every=int(os.environ[FLUSH]), flush_interval=_FLUSH_SECONDS)
def apply(requests: Sequence[SimpleRequest]) -> None:
    """Apply a batch."""
    workload = WORKLOADS[requests[0].kwargs["workload"]]
    with _engine.begin() as connection:
        run_handlers(connection, workload, [command_of(request.kwargs) for request in requests])
