"""The health pages: their status, what half-sent requests can take, and a stop that ends."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing

import httpx
import pytest

from tests.deadlines import patient
from writegate.telemetry.health import CONNECTIONS, REQUEST_SECONDS, THREADS, HealthServer
from writegate_devkit.stack.readiness import wait_until

PATIENCE_SECONDS = patient(30)
HALF = b"GET /livez HTTP/1.1\r\nHost: h\r\nX-Never: end"


class Process:
    """What a health server is asked about."""

    is_ready = True
    page: tuple[bytes, str] | None = (b"metrics", "text/plain")

    def __init__(self) -> None:
        self.going = threading.Event()
        self.going.set()
        self.server = HealthServer(("127.0.0.1", 0), self._ready, lambda: self.page)

    def _ready(self) -> tuple[bool, dict[str, object]]:
        self.going.wait(PATIENCE_SECONDS)
        return self.is_ready, {"broker": self.is_ready}

    def get(self, path: str, seconds: float = PATIENCE_SECONDS) -> httpx.Response:
        with httpx.Client(transport=httpx.HTTPTransport(), timeout=seconds) as client:
            return client.get(f"http://127.0.0.1:{self.server.port}{path}")

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.server.port), PATIENCE_SECONDS)


@pytest.fixture
def process() -> Iterator[Process]:
    made = Process()
    made.server.start()
    yield made
    made.going.set()
    made.server.stop(time.monotonic() + PATIENCE_SECONDS)


def ended(client: socket.socket) -> bool:
    """Whether the server has closed a connection."""
    client.settimeout(0.01)
    try:
        return client.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


def test_each_page_has_its_status(process: Process) -> None:
    assert process.get("/livez").json() == {"live": True}
    assert (process.get("/readyz?verbose").status_code, process.get("/metrics").text) == (200, "metrics")
    process.is_ready, process.page = False, None
    answer = process.get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"broker": False})
    assert process.get("/metrics").status_code == 404
    assert "/livez" in process.get("/nothing").json()["error"]


def test_four_hundred_half_sent_requests_take_no_threads_and_delay_no_probe(process: Process) -> None:
    before = threading.active_count()
    with ExitStack() as clients:
        for _ in range(400):
            client = clients.enter_context(closing(process.connect()))
            client.sendall(HALF)
        began = time.monotonic()
        assert process.get("/livez").status_code == process.get("/readyz").status_code == 200
        assert time.monotonic() - began < patient(REQUEST_SECONDS) / 2, "a probe waited for them to end"
        assert threading.active_count() <= before + THREADS


def test_the_oldest_of_too_many_connections_ends(process: Process) -> None:
    with ExitStack() as clients:
        opened = [clients.enter_context(closing(process.connect())) for _ in range(CONNECTIONS)]
        clients.enter_context(closing(process.connect()))
        assert wait_until(lambda: ended(opened[0]), PATIENCE_SECONDS)


def test_a_request_that_comes_a_byte_at_a_time_ends_in_time(process: Process) -> None:
    with closing(process.connect()) as client:
        began, sent = time.monotonic(), 0

        def drips() -> bool:
            nonlocal sent
            try:
                client.sendall(HALF[sent : sent + 1] or b"x")
            except OSError:
                return True
            sent += 1
            return ended(client)

        assert wait_until(drips, PATIENCE_SECONDS)
        assert REQUEST_SECONDS * 0.9 < time.monotonic() - began < patient(REQUEST_SECONDS * 3)


@pytest.mark.parametrize("sent", [b"x" * 20_000, b"POST /livez HTTP/1.1\r\n\r\n", b"\r\n\r\n", b"\xff\xfe \r\n\r\n"])
def test_what_is_no_request_ends_and_the_next_is_answered(process: Process, sent: bytes) -> None:
    with closing(process.connect()) as client:
        client.sendall(sent)
        assert wait_until(lambda: ended(client) or client.recv(10_000) != b"", PATIENCE_SECONDS)
    assert process.get("/livez").status_code == 200


def test_life_is_shown_while_another_page_is_stuck(process: Process) -> None:
    process.going.clear()
    with ExitStack() as clients:
        for _ in range(THREADS + 1):
            client = clients.enter_context(closing(process.connect()))
            client.sendall(b"GET /readyz HTTP/1.1\r\n\r\n")
        assert process.get("/livez").status_code == 200


def test_its_port_is_free_when_it_has_stopped(process: Process) -> None:
    port = process.server.port
    process.server.stop(time.monotonic() + PATIENCE_SECONDS)
    HealthServer(("127.0.0.1", port), lambda: (True, {}), lambda: None).stop(time.monotonic())


def test_it_listens_on_the_address_that_it_is_given_alone() -> None:
    server = HealthServer(("127.0.0.2", 0), lambda: (True, {}), lambda: None)
    server.start()
    try:
        with httpx.Client(transport=httpx.HTTPTransport(), timeout=PATIENCE_SECONDS) as client:
            assert client.get(f"http://127.0.0.2:{server.port}/livez").status_code == 200
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", server.port), PATIENCE_SECONDS)
    finally:
        server.stop(time.monotonic() + PATIENCE_SECONDS)
    HealthServer(("::1", 0), lambda: (True, {}), lambda: None).stop(time.monotonic())
