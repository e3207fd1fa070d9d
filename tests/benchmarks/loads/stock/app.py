"""The application that publisher and workers share, and what a message holds.

Imported in two environments: nothing here is newer than what celery-batches asks for.
"""

from __future__ import annotations

import os
from typing import Any, Final

from celery import Celery

from tests.benchmarks.jobs import Job
from tests.benchmarks.workloads import WORKLOADS
from writegate import Command, contract_of

TASK: Final = "bench.apply"
BROKER, DATABASE = "BENCH_BROKER_URL", "BENCH_DATABASE_URL"
PREFETCH = "BENCH_PREFETCH"

app = Celery("stock", broker=os.environ[BROKER])
app.conf.update(
    task_acks_late=True,
    task_ignore_result=True,
    # Without it what the broker refuses is lost in silence.
    broker_transport_options={"confirm_publish": True},
    # Many short tasks: the documentation advises to fetch many at a time.
    worker_prefetch_multiplier=int(os.environ.get(PREFETCH, "64")),
)


def message_of(job: Job, id_: int, command: Command) -> dict[str, Any]:
    """Return a task's arguments."""
    return {
        "workload": job.workload,
        "variant": job.variant,
        "id": id_,
        "command": contract_of(command).task,
        "fields": command.model_dump(),
    }


def command_of(message: dict[str, Any]) -> Command:
    """Return the command that a task's arguments hold."""
    commands = WORKLOADS[message["workload"]].writes.service.commands
    return commands[message["command"]].model_validate(message["fields"])
