"""Requests that do not arrive in time end, on a real server."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI, Request, Response, WebSocket
from uvicorn.protocols.http.h11_impl import H11Protocol
from websockets.sync.client import connect

from tests.deadlines import patient
from tests.recorder import Recorder
from tests.sample import Note
from writegate.integrations import uvicorn as timed
from writegate.integrations.fastapi import respond
from writegate.integrations.uvicorn import TimedProtocol
from writegate.publishing import process
from writegate_devkit.stack.readiness import wait_until

PATIENCE_SECONDS = patient(30)
HEAD_SECONDS, BODY_SECONDS = 0.5, 1.0
HALF_HEAD = b"POST /notes HTTP/1.1\r\nHost: h\r\nX-Never: end"
HALF_BODY = b"POST /notes HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n{"
HALF_CHUNK = b"POST /notes HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"
REFUSED = b"POST /notes HTTP/1.1\r\nHost: h\r\nContent-Length: 150000000\r\n\r\n{"

app = FastAPI()


@app.post("/notes")
async def note(request: Request) -> Response:
    return await respond(request, Note)


@app.get("/livez")
async def live() -> dict[str, bool]:
    return {"live": True}


@contextmanager
def serving(protocol: type[H11Protocol], application: Any = app) -> Iterator[tuple[str, int]]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        configuration = uvicorn.Config(
            application, http=protocol, lifespan="off", log_level="error", timeout_graceful_shutdown=1
        )
        server = uvicorn.Server(configuration)
        thread = threading.Thread(target=lambda: server.run([listening]), daemon=True)
        thread.start()
        assert wait_until(lambda: server.started, PATIENCE_SECONDS)
        try:
            yield listening.getsockname()
        finally:
            server.should_exit = True
            thread.join(PATIENCE_SECONDS)


@pytest.fixture(autouse=True)
def publisher(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorder]:
    monkeypatch.setattr(timed, "HEAD_SECONDS", HEAD_SECONDS)
    monkeypatch.setattr(timed, "BODY_SECONDS", BODY_SECONDS)
    with process.replace(made := Recorder()):
        yield made


@pytest.fixture
def address() -> Iterator[tuple[str, int]]:
    with serving(TimedProtocol) as made:
        yield made


def ended(client: socket.socket) -> bool:
    """Whether the server has closed a connection; what it sent before is read."""
    client.settimeout(0.01)
    try:
        return client.recv(65_536) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


def is_live(address: tuple[str, int]) -> bool:
    with httpx.Client(transport=httpx.HTTPTransport(), timeout=PATIENCE_SECONDS) as client:
        return client.get("http://{}:{}/livez".format(*address)).status_code == 200


@pytest.mark.parametrize("sent", [b"", HALF_HEAD, HALF_BODY, HALF_CHUNK, REFUSED])
def test_a_request_that_is_not_complete_in_time_ends(
    address: tuple[str, int], sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(socket.create_connection(address)) as client, caplog.at_level(logging.ERROR):
        client.sendall(sent)
        began = time.monotonic()
        assert wait_until(lambda: ended(client), PATIENCE_SECONDS)
        assert time.monotonic() - began >= HEAD_SECONDS * 0.9
    assert is_live(address)
    assert not caplog.records, "in the log"


@pytest.mark.parametrize("sent", [HALF_HEAD, HALF_BODY, HALF_CHUNK, REFUSED])
def test_one_that_comes_a_byte_at_a_time_ends_as_well(address: tuple[str, int], sent: bytes) -> None:
    with closing(socket.create_connection(address)) as client:
        client.sendall(sent)

        def drips() -> bool:
            try:
                client.sendall(b"x")
            except OSError:
                return True
            return ended(client)

        began = time.monotonic()
        assert wait_until(drips, PATIENCE_SECONDS)
        assert time.monotonic() - began >= HEAD_SECONDS * 0.9


def test_without_the_limit_they_stay() -> None:
    with serving(H11Protocol) as address, ExitStack() as clients:
        opened = [clients.enter_context(closing(socket.create_connection(address))) for _ in range(4)]
        for client, sent in zip(opened, (HALF_HEAD, HALF_BODY, HALF_CHUNK, b""), strict=True):
            client.sendall(sent)
        assert not wait_until(lambda: any(ended(client) for client in opened), 3 * BODY_SECONDS)


def test_whole_requests_on_one_connection_are_answered_however_long_they_take(
    address: tuple[str, int], publisher: Recorder
) -> None:
    with httpx.Client(transport=httpx.HTTPTransport(), timeout=PATIENCE_SECONDS) as client:
        url, until = "http://{}:{}/notes".format(*address), time.monotonic() + 2 * BODY_SECONDS
        first: Any = None

        def posts() -> bool:
            nonlocal first
            answer = client.post(url, json={"text": "a"})
            assert answer.status_code == 202
            first = first or answer.extensions["network_stream"].get_extra_info("client_addr")
            assert answer.extensions["network_stream"].get_extra_info("client_addr") == first, "another connection"
            return time.monotonic() > until

        assert wait_until(posts, PATIENCE_SECONDS)
    assert len(publisher.commands) > 2


def test_four_hundred_half_sent_requests_delay_nobody_and_the_oldest_end(
    address: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timed, "HEAD_SECONDS", 10 * PATIENCE_SECONDS)
    with ExitStack() as clients:
        opened = []
        for _ in range(timed.MOST_UNFINISHED + 1):
            opened.append(clients.enter_context(closing(socket.create_connection(address))))
            opened[-1].sendall(HALF_HEAD)
        assert wait_until(lambda: ended(opened[0]), PATIENCE_SECONDS)
        assert is_live(address)
        assert not ended(opened[-1])


@pytest.mark.parametrize("sent", [HALF_HEAD, HALF_BODY])
def test_of_too_many_the_oldest_ends_and_a_new_one_is_answered(
    address: tuple[str, int], monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(timed, "HEAD_SECONDS", 10 * PATIENCE_SECONDS)
    monkeypatch.setattr(timed, "BODY_SECONDS", 30 * PATIENCE_SECONDS)
    monkeypatch.setattr(timed, "MOST_UNFINISHED", 3)
    with ExitStack() as clients:
        opened = [clients.enter_context(closing(socket.create_connection(address))) for _ in range(3)]
        for client in opened:
            client.sendall(sent)
            assert is_live(address)  # what was sent before has been read then
        assert wait_until(lambda: ended(opened[0]), PATIENCE_SECONDS), "each new one takes its place"
        assert not ended(opened[-1])


PIPELINED = b"GET /livez HTTP/1.1\r\nHost: h\r\n\r\n"
REFUSED_BEFORE_ITS_BODY = b"POST /nowhere HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n"


@pytest.mark.parametrize("second", [HALF_HEAD, HALF_BODY, HALF_CHUNK])
def test_a_second_request_that_comes_with_the_first_has_its_time_as_well(
    address: tuple[str, int], second: bytes
) -> None:
    with closing(socket.create_connection(address)) as client:
        client.sendall(PIPELINED + second)
        assert wait_until(lambda: ended(client), PATIENCE_SECONDS)
    assert is_live(address)


def test_a_connection_that_is_answered_before_the_body_ends_after_it(address: tuple[str, int]) -> None:
    with closing(socket.create_connection(address, PATIENCE_SECONDS)) as client:
        client.sendall(REFUSED_BEFORE_ITS_BODY)
        assert client.recv(65_536).startswith(b"HTTP/1.1 404 ")
        client.sendall(b"abc")
        assert wait_until(lambda: ended(client), PATIENCE_SECONDS)


def test_a_websocket_stays() -> None:
    echoing = FastAPI()

    @echoing.websocket("/echo")
    async def echo(opened: WebSocket) -> None:
        await opened.accept()
        while True:
            await opened.send_text(await opened.receive_text())

    with serving(TimedProtocol, echoing) as address, connect("ws://{}:{}/echo".format(*address)) as client:
        with pytest.raises(TimeoutError):
            client.recv(timeout=2 * BODY_SECONDS)
        client.send("still here")
        assert client.recv(timeout=PATIENCE_SECONDS) == "still here"


def send_until_it_ends(address: tuple[str, int], size: int) -> tuple[bytes, int]:
    """Send a body of so many bytes; return the answer, if it came, and how much could be sent."""
    sent, part = 0, b"x" * 65_536
    with closing(socket.create_connection(address, PATIENCE_SECONDS)) as client:
        client.sendall(b"POST /notes HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % size)
        try:
            while sent < size:
                client.sendall(part)
                sent += len(part)
            return client.recv(65_536), sent
        except ConnectionError:
            return b"", sent


def test_who_sends_a_little_too_much_sees_the_answer(address: tuple[str, int]) -> None:
    answer, sent = send_until_it_ends(address, 3 * 1024**2)
    assert answer.startswith(b"HTTP/1.1 413 "), answer
    assert sent == 3 * 1024**2


def test_who_sends_far_too_much_is_cut_off(address: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timed, "BODY_SECONDS", 10 * PATIENCE_SECONDS)
    _, sent = send_until_it_ends(address, 150_000_000)
    assert sent < 60_000_000, "what the server did not read was in the buffers of both sides"
    assert is_live(address)


def test_without_that_limit_all_of_it_is_read(address: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timed, "BODY_SECONDS", 10 * PATIENCE_SECONDS)
    monkeypatch.setattr(timed, "MOST_DISCARDED_BYTES", 2**62)
    answer, sent = send_until_it_ends(address, 150_000_000)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert sent >= 150_000_000


AT_ONCE = 40


class Passes:
    """An application that counts how many requests begin in each pass of the event loop. ``/stop`` stops the loop."""

    def __init__(self) -> None:
        self.stopped, self.go_on = threading.Event(), threading.Event()
        self.begun: list[int] = []
        self._same_pass = False

    async def __call__(self, scope: dict[str, Any], _: Any, send: Any) -> None:
        if scope["path"] == "/stop":
            self.stopped.set()
            assert self.go_on.wait(PATIENCE_SECONDS)  # blocks the loop, as much work for others would
        else:
            self._count()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    def _count(self) -> None:
        if not self._same_pass:
            self._same_pass = True
            self.begun.append(0)
            asyncio.get_running_loop().call_soon(self._end_pass)
        self.begun[-1] += 1

    def _end_pass(self) -> None:
        self._same_pass = False


@pytest.mark.parametrize("protocol", [TimedProtocol, H11Protocol], ids=["ours", "uvicorn's own"])
def test_many_new_connections_at_once_take_turns(protocol: type[H11Protocol], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timed, "HEAD_SECONDS", 10 * PATIENCE_SECONDS)
    passes = Passes()
    with serving(protocol, passes) as address, ExitStack() as clients:

        def send(path: str) -> socket.socket:
            client = clients.enter_context(closing(socket.create_connection(address, PATIENCE_SECONDS)))
            client.sendall(b"GET %s HTTP/1.1\r\nHost: h\r\n\r\n" % path.encode())
            return client

        first = send("/stop")
        assert passes.stopped.wait(PATIENCE_SECONDS)
        sent = [send("/counted") for _ in range(AT_ONCE)]
        passes.go_on.set()
        assert all(client.recv(65_536).startswith(b"HTTP/1.1 200 ") for client in (first, *sent))
    assert sum(passes.begun) == AT_ONCE
    if protocol is TimedProtocol:
        assert max(passes.begun) <= 2, passes.begun  # one, and one that was read in the pass before
    else:
        assert max(passes.begun) > AT_ONCE / 2, passes.begun
