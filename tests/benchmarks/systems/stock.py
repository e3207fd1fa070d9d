"""Stock Celery and celery-batches: a service that publishes, the broker, a worker."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pika

from tests.benchmarks.driver import CHECKOUT
from tests.benchmarks.jobs import DUPLICATES, POISON, Job
from tests.benchmarks.place import Place
from tests.benchmarks.systems.base import Running, System
from tests.benchmarks.systems.direct import drivers
from tests.broker import Vhost, rabbitmqctl, vhost_of
from writegate_devkit.stack.readiness import wait_until

BATCHES_PYTHON = CHECKOUT / ".venv/batches/bin/python"
_QUEUE = "celery"
_TRY = Job("tpcb-1", seconds=1.5)
_READY_SECONDS = 90.0


@dataclass(frozen=True)
class _Worker:
    """A setting of the worker: Celery's options, and what the application reads from its environment."""

    about: str
    options: Sequence[str]
    environment: Mapping[str, str]


@dataclass(frozen=True)
class _Publisher:
    """A setting of the publisher."""

    processes: int
    threads: int

    @property
    def about(self) -> str:
        return f"{self.processes} publishing processes of {self.threads} threads"


@dataclass(frozen=True)
class _Kind:
    """A kind of worker, and the settings that are tried."""

    python: Path
    application: str
    workers: Sequence[_Worker]


def _pool(pool: str, concurrency: int) -> _Worker:
    return _Worker(f"{pool} {concurrency}", ("--pool", pool, "--concurrency", str(concurrency)), {})


def _flushing(every: int) -> _Worker:
    # One process: two that change many rows in a transaction meet in deadlocks, and what fails is lost.
    options = ("--pool", "prefork", "--concurrency", "1")
    return _Worker(f"flush_every {every}", options, {"BENCH_FLUSH": str(every), "BENCH_PREFETCH": str(4 * every)})


_PUBLISHERS = (_Publisher(1, 1), _Publisher(1, 4), _Publisher(2, 1))
_SINGLE = _Kind(Path(sys.executable), "single", (_pool("prefork", 4), _pool("prefork", 8), _pool("threads", 8)))
_BATCHES = _Kind(BATCHES_PYTHON, "batches", (_flushing(100), _flushing(500), _flushing(1000)))

# What was found best, so that all runs of a benchmark have the same.
_best: dict[str, tuple[_Worker, _Publisher]] = {}


@contextmanager
def _running(place: Place, kind: _Kind) -> Iterator[Running]:
    if kind.application not in _best:
        _best[kind.application] = _find_best(place, kind)
    worker, publisher = _best[kind.application]
    with _started(place, kind, worker, publisher) as running:
        yield running


def _find_best(place: Place, kind: _Kind) -> tuple[_Worker, _Publisher]:
    """Try the workers with a usual publisher, then the publishers with the best worker."""
    usual = _PUBLISHERS[1]
    worker = max(kind.workers, key=lambda candidate: _try(place, kind, candidate, usual))
    publisher = max(_PUBLISHERS, key=lambda candidate: _try(place, kind, worker, candidate))
    return worker, publisher


def _try(place: Place, kind: _Kind, worker: _Worker, publisher: _Publisher) -> float:
    # Measuring knows all systems, this one too.
    from tests.benchmarks.measure import measure  # noqa: PLC0415

    with _started(place, kind, worker, publisher) as running:
        # The first run opens the connections; a pause of the machine in one of them decides nothing.
        return max(measure(place, running, _TRY).effects_per_s for _ in range(2))


@contextmanager
def _started(place: Place, kind: _Kind, worker: _Worker, publisher: _Publisher) -> Iterator[Running]:
    """Run a worker and publishers in a vhost of their own."""
    with vhost_of(place.servers, "stock") as vhost:
        own = {"BENCH_BROKER_URL": vhost.url(), "BENCH_DATABASE_URL": place.url}
        own["PYTHONPATH"] = os.pathsep.join(
            str(CHECKOUT / folder) for folder in ("", "shared/src", "services/writer/src")
        )
        environment = {**os.environ, **own, **worker.environment}
        publishing = drivers(
            "tests.benchmarks.loads.stock.publisher:Publisher",
            [{"threads": publisher.threads}] * publisher.processes,
            environment,
        )
        with _worker_process(place, kind, worker, vhost, environment) as process, publishing as publishers:
            yield Running(
                publishers,
                "publisher",
                others={"worker": [process.pid]},
                queued=True,
                prepare=_Draining(vhost),
                setting=f"{worker.about}, {publisher.about}",
            )


@contextmanager
def _worker_process(
    place: Place, kind: _Kind, worker: _Worker, vhost: Vhost, environment: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    command = [
        str(kind.python), "-m", "celery", "-A", f"tests.benchmarks.loads.stock.{kind.application}", "worker",
        *worker.options, "--loglevel", "ERROR", "--without-gossip", "--without-mingle", "--without-heartbeat",
    ]  # fmt: skip
    log = place.servers.stack.home.logs / f"celery-{kind.application}.log"
    with log.open("ab") as output:
        process = subprocess.Popen(command, env=environment, cwd=CHECKOUT, stdout=output, stderr=subprocess.STDOUT)
    try:
        if not wait_until(lambda: process.poll() is not None or _consumed(vhost), _READY_SECONDS) or process.poll():
            raise RuntimeError(f"the worker does not consume:\n{log.read_text()[-3000:]}")
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_READY_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _consumed(vhost: Vhost) -> bool:
    with vhost.channel() as channel:
        # As Celery declares it by default.
        declared: pika.frame.Method[pika.spec.Queue.DeclareOk] = channel.queue_declare(_QUEUE, durable=True)
        return bool(declared.method.consumer_count)


class _Draining:
    """Waits until nothing of the run before is left: bad commands and duplicates are not seen in the tables."""

    def __init__(self, vhost: Vhost) -> None:
        self._vhost = vhost
        self._left = False

    def __call__(self, job: Job) -> None:
        if self._left and not wait_until(self._empty, _READY_SECONDS):
            raise RuntimeError(f"the worker has not taken everything from {_QUEUE}")
        self._left = job.variant in {POISON, DUPLICATES}

    def _empty(self) -> bool:
        listed = rabbitmqctl(
            self._vhost.servers, "list_queues", "--quiet", "--vhost", self._vhost.name, "name", "messages"
        )
        return [_QUEUE, "0"] in [line.split() for line in listed.splitlines()]


celery = System(
    "celery",
    "one task one transaction, acks_late, confirmed, classic queue; the best of prefork 4, prefork 8 and threads 8",
    lambda place: _running(place, _SINGLE),
    variants=True,
)
batches = System(
    "celery-batches",
    "celery-batches 0.11, one process, the writer's set-based SQL, no ledger; the best of 100, 500 and 1,000 a batch",
    lambda place: _running(place, _BATCHES),
)
