"""The health pages: their status, a bound on threads, and a stop that ends."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.deadlines import patient
from writegate.telemetry.health import THREADS, HealthServer

PATIENCE_SECONDS = patient(30)


class Process:
    """What a health server is asked about."""

    is_ready = True
    page: tuple[bytes, str] | None = (b"metrics", "text/plain")

    def __init__(self) -> None:
        self.server = HealthServer(("127.0.0.1", 0), self._ready, lambda: self.page)

    def _ready(self) -> tuple[bool, dict[str, object]]:
        return self.is_ready, {"broker": self.is_ready}

    def get(self, path: str) -> httpx.Response:
        with httpx.Client(transport=httpx.HTTPTransport(), timeout=PATIENCE_SECONDS) as client:
            return client.get(f"http://127.0.0.1:{self.server.port}{path}")


@pytest.fixture
def process() -> Iterator[Process]:
    made = Process()
    made.server.start()
    yield made
    made.server.stop(time.monotonic() + PATIENCE_SECONDS)


def test_each_page_has_its_status(process: Process) -> None:
    assert process.get("/livez").json() == {"live": True}
    assert (process.get("/readyz").status_code, process.get("/metrics").text) == (200, "metrics")
    process.is_ready, process.page = False, None
    answer = process.get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"broker": False})
    assert process.get("/metrics").status_code == 404
    assert "/livez" in process.get("/nothing").json()["error"]


def test_silent_clients_take_a_bounded_number_of_threads(process: Process) -> None:
    before = threading.active_count()
    silent = [socket.create_connection(("127.0.0.1", process.server.port)) for _ in range(3 * THREADS)]
    try:
        assert process.get("/livez").status_code == 200, "a silent client keeps its thread for good"
        assert threading.active_count() <= before + THREADS
    finally:
        for client in silent:
            client.close()


def test_its_port_is_free_when_it_has_stopped(process: Process) -> None:
    port = process.server.port
    process.server.stop(time.monotonic() + PATIENCE_SECONDS)
    HealthServer(("127.0.0.1", port), lambda: (True, {}), lambda: None).stop(time.monotonic())
