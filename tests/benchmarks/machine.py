"""What the figures were measured on."""

from __future__ import annotations

import platform
import subprocess
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil

from tests.benchmarks.place import Place
from tests.benchmarks.systems.stock import BATCHES_PYTHON

_LIBRARIES = ("celery", "kombu", "amqp", "pika", "psycopg2-binary", "sqlalchemy", "pydantic")


def machine(place: Place) -> dict[str, object]:
    """Return processor, memory and versions."""
    with place.servers.broker_api() as api:
        broker = api.get("/overview").raise_for_status().json()
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": _processor(),
        "cores": psutil.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "postgresql": place.gate.database.value("show server_version"),
        "rabbitmq": broker["rabbitmq_version"],
        "erlang": broker["erlang_version"],
        "pgbouncer": _first_line("pgbouncer", "--version"),
        **{name: version(name) for name in _LIBRARIES},
        "celery of celery-batches": _first_line(str(BATCHES_PYTHON), "-c", "import celery; print(celery.__version__)"),
    }


def _processor() -> str:
    with suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return platform.processor()


def _first_line(*command: str) -> str:
    with suppress(OSError):
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.partition("\n")[0]
    return "not installed"
