"""The gate: a service that publishes, the broker, one writer."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from tests.benchmarks.jobs import ROUND_TRIP_SECONDS, ROUND_TRIPS, Job
from tests.benchmarks.place import Place
from tests.benchmarks.systems.base import Running, System
from tests.benchmarks.systems.direct import drivers
from tests.benchmarks.workloads import WORKLOADS
from tests.integration.gate import Gate
from tests.integration.writer_processes import WriterProcess
from tests.relay import Relay, relay_to

WRITER = "writer-1"
_SERVICES = frozenset(workload.service for workload in WORKLOADS.values())


def start_writer(gate: Gate, **settings: str) -> WriterProcess:
    """Start a writer, until it serves every service."""
    writer = gate.writers.start(WRITER, wait=False, **settings)
    gate.wait(lambda: writer.serving() >= _SERVICES, f"{WRITER} serves all services")
    return writer


class _Writer:
    """The writer process: started again when its way to the database changes."""

    def __init__(self, place: Place, relay: Relay) -> None:
        self._gate = place.gate
        self._relay = relay
        self._url = place.gate.environment("writegate_writer")["WRITEGATE_DATABASE_URL"]
        self.pids: list[int] = []

    def start(self, *, through_relay: bool) -> None:
        """Start it."""
        url = self._relay.in_place(self._url) if through_relay else self._url
        self.pids[:] = [start_writer(self._gate, WRITEGATE_DATABASE_URL=url).process.pid]
        self._far = through_relay

    def prepare(self, job: Job) -> None:
        """A real network between writer and database, or none: as the variant asks."""
        far = job.variant == ROUND_TRIPS
        if far != self._far:
            self._gate.writers.stop(WRITER)
            self.start(through_relay=far)


def writegate(name: str, load: str, about: str) -> System:
    """Return the gate with one way of publishing."""

    @contextmanager
    def running(place: Place) -> Iterator[Running]:
        urls = {service: place.gate.environment(service)["WRITEGATE_BROKER_URL"] for service in _SERVICES}
        publishing = drivers(f"tests.benchmarks.loads.writegate:{load}", [{"urls": urls}], dict(os.environ))
        with relay_to(place.port) as relay, publishing as publishers:
            relay.latency_seconds = ROUND_TRIP_SECONDS / 2  # in each direction
            writer = _Writer(place, relay)
            writer.start(through_relay=False)
            try:
                yield Running(
                    publishers,
                    "publisher",
                    others={"writer": writer.pids},
                    queued=True,
                    prepare=writer.prepare,
                )
            finally:
                place.gate.writers.stop_all()

    return System(name, about, running, variants=True)


single = writegate("writegate", "Single", "single commands: `publish` from 1,000 tasks of one process, one writer")
many = writegate("writegate-many", "Many", "`publish_many` with 2,000 commands a call, one writer")
