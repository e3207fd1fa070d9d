"""The worker of one task, one transaction; a connection to each process or thread of it."""

from __future__ import annotations

import os
import threading
from typing import Any

import psycopg2
from psycopg2 import errors

from tests.benchmarks.jobs import Job
from tests.benchmarks.loads.stock.app import DATABASE, TASK, app, command_of
from tests.benchmarks.loads.transaction import transact
from tests.benchmarks.workloads import WORKLOADS

_own = threading.local()


def _connection() -> Any:
    if not hasattr(_own, "connection"):
        _own.connection = psycopg2.connect(os.environ[DATABASE], application_name="celery")
    return _own.connection


@app.task(
    name=TASK,
    autoretry_for=(errors.DeadlockDetected, errors.SerializationFailure),
    default_retry_delay=0,
    max_retries=None,
)
def apply(**message: Any) -> None:
    """Apply a command. A bad one fails the task, for good."""
    connection = _connection()
    statements = WORKLOADS[message["workload"]].statements(command_of(message))
    try:
        transact(connection, Job(message["workload"], message["variant"]), statements, message["id"])
    except psycopg2.Error:
        connection.rollback()
        raise
