"""What a request may cost a service: bodies that are too large are refused unread, and few requests wait."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import RawIOBase
from typing import Any

import pytest
from django.core.asgi import get_asgi_application
from django.test import Client
from fastapi import FastAPI, Request, Response
from flask import Flask
from werkzeug.test import EnvironBuilder, run_wsgi_app

from tests.deadlines import patient
from tests.recorder import Applied, Recorder
from tests.sample import Note
from writegate.integrations import requests
from writegate.integrations.asgi import LimitedBodies
from writegate.integrations.fastapi import respond
from writegate.integrations.flask import Writegate
from writegate.message.receipt import Receipt
from writegate.publishing import process
from writegate_devkit.stack.readiness import wait_until

LIMIT_BYTES = 1024**2
CHUNK = b"x" * 65_536
PATIENCE_SECONDS = patient(30)


@dataclass
class Body:
    """A body, by default without an end. ``read``: how many of its bytes were taken."""

    read: int = 0
    end: int = 2**62

    def take(self, size: int = len(CHUNK)) -> bytes:
        size = min(size, len(CHUNK)) if size > 0 else len(CHUNK)
        self.read += size
        assert self.read < 100 * LIMIT_BYTES, "it reads on for ever"
        return CHUNK[:size]


class Stream(RawIOBase):
    """The same, as WSGI has it."""

    def __init__(self, body: Body) -> None:
        self._body = body

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        chunk = self._body.take(len(buffer))
        buffer[: len(chunk)] = chunk
        return len(chunk)


def send_by_asgi(app: Any, path: str, body: Body, length: int | None) -> int:
    """Post the body to an application; return the status."""

    async def receive() -> dict[str, Any]:
        if body.read >= body.end:
            await asyncio.Event().wait()  # the client stays, and sends nothing more
        return {"type": "http.request", "body": body.take(), "more_body": body.read < body.end}

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"content-length", str(length).encode())] if length is not None else []
    scope = {
        "type": "http", "method": "POST", "path": path, "headers": headers, "query_string": b"", "scheme": "http",
        "server": ("s", 80), "client": ("c", 1), "root_path": "", "http_version": "1.1", "asgi": {"version": "3.0"},
    }  # fmt: skip
    asyncio.run(app(scope, receive, send))
    return int(sent[0]["status"])


def with_fastapi(body: Body, length: int | None) -> int:
    """Post the body; return the status."""
    app = FastAPI()

    @app.post("/notes")
    async def note(request: Request) -> Response:
        return await respond(request, Note)

    return send_by_asgi(app, "/notes", body, length)


def with_django_and_asgi(body: Body, length: int | None) -> int:
    """Post the body; return the status."""
    return send_by_asgi(LimitedBodies(get_asgi_application()), "/accounts/a/deposits", body, length)


def with_flask(body: Body, length: int | None) -> int:
    """Post the body; return the status."""
    app = Flask(__name__)
    writegate = Writegate(app)
    app.post("/notes")(lambda: writegate.respond(Note))
    environ = EnvironBuilder("/notes", method="POST").get_environ()
    environ |= {"wsgi.input": Stream(body), "wsgi.input_terminated": True}
    if length is None:
        environ.pop("CONTENT_LENGTH", None)
        environ["HTTP_TRANSFER_ENCODING"] = "chunked"
    else:
        environ["CONTENT_LENGTH"] = str(length)
    _, status, _ = run_wsgi_app(app, environ)
    return int(status.split()[0])


def with_django(body: Body, length: int | None) -> int:
    """Post the body; return the status."""
    more: dict[str, Any] = {"wsgi.input": Stream(body)}
    if length is None:
        more |= {"HTTP_TRANSFER_ENCODING": "chunked"}
    else:
        more |= {"CONTENT_LENGTH": length}
    return Client().generic("POST", "/accounts/a/deposits", **more).status_code


Post = Callable[[Body, int | None], int]


@pytest.fixture(params=[with_fastapi, with_flask, with_django, with_django_and_asgi], ids=lambda post: post.__name__)
def post(request: pytest.FixtureRequest, django_site: None) -> Iterator[Post]:
    del django_site
    with process.replace(Recorder()):
        yield request.param


def test_a_body_that_is_too_large_is_refused_before_any_of_it_is_read(post: Post) -> None:
    body = Body()
    assert post(body, 150_000_000) == 413
    assert body.read == 0


def test_a_body_without_a_length_is_read_no_further_than_the_limit(post: Post) -> None:
    body = Body()
    assert post(body, None) == (411 if post is with_django else 413)
    assert body.read <= LIMIT_BYTES + len(CHUNK)


def test_the_limit_is_a_setting(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    body = Body()
    monkeypatch.setenv("WRITEGATE_HTTP_BODY_BYTES", "4096")
    assert post(body, 4097) == 413
    assert body.read == 0
    monkeypatch.setenv("WRITEGATE_HTTP_BODY_BYTES", str(2 * LIMIT_BYTES))
    if post in {with_flask, with_django}:  # by ASGI a body ends where the server says
        assert post(body, LIMIT_BYTES + 1) == 422, "of the contract: it was read"
        assert body.read > 0


class Waiting(Recorder):
    """Accepts everything, and answers what became of it when ``decided`` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.decided = threading.Event()
        self.waiting = 0

    def publish(self, command: Any, *, receipt: bool = False, **more: Any) -> Any:
        accepted = super().publish(command, **more)
        return WaitingFor(accepted.command_id, self) if receipt else accepted

    def lookup(self, service: str, command_id: str, timeout: float = 1.0) -> Receipt | None:  # noqa: ARG002  as the real one
        return WaitingFor(command_id, self).wait(timeout)


class WaitingFor(Applied):
    """A receipt that is there once its publisher says so."""

    def __init__(self, command_id: str, publisher: Waiting) -> None:
        super().__init__(command_id)
        self.command_id = command_id
        self._publisher = publisher

    def wait(self, timeout: float) -> Receipt:
        self._publisher.waiting += 1
        assert self._publisher.decided.wait(PATIENCE_SECONDS)
        return super().wait(timeout)


@pytest.fixture
def publisher() -> Iterator[Waiting]:
    with process.replace(made := Waiting()):
        yield made
        made.decided.set()


def waits(publisher: Waiting, settled: Callable[[int], int]) -> list[int]:
    """Send twelve requests to a server with eight threads; return the statuses, in order."""

    def ask(_: int) -> int:
        return requests.publish_body(Note, b'{"text": "a"}', "wait=30", {}).status

    with ThreadPoolExecutor(8) as threads:
        asked = [threads.submit(ask, number) for number in range(12)]
        try:
            assert wait_until(lambda: sum(done.done() for done in asked) == settled(12), PATIENCE_SECONDS)
            assert publisher.waiting == 12 - settled(12)
        finally:
            publisher.decided.set()
    return sorted(done.result() for done in asked)


def test_of_many_that_wait_for_an_outcome_few_keep_a_thread(publisher: Waiting) -> None:
    assert waits(publisher, lambda asked: asked - 4) == [201] * 4 + [202] * 8
    assert len(publisher.commands) == 12


def test_without_the_limit_they_keep_all_threads(publisher: Waiting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WRITEGATE_HTTP_WAITING", "100")
    with ThreadPoolExecutor(8) as threads:
        for _ in range(12):
            threads.submit(requests.publish_body, Note, b'{"text": "a"}', "wait=30", {})
        assert wait_until(lambda: publisher.waiting == 8, PATIENCE_SECONDS)
        live = threads.submit(requests.live)
        assert not live.done()
        publisher.decided.set()
        assert live.result().status == 200


def test_who_asks_for_a_receipt_while_many_wait_is_told_to_ask_again(publisher: Waiting) -> None:
    with ThreadPoolExecutor(8) as threads:
        asked = [threads.submit(requests.look_up, "notes", str(number)) for number in range(12)]
        assert wait_until(lambda: sum(done.done() for done in asked) == 8, PATIENCE_SECONDS)
        publisher.decided.set()
    assert sorted(done.result().status for done in asked) == [200] * 4 + [503] * 8
    assert {dict(done.result().headers).get("Retry-After") for done in asked} == {None, "1"}


def test_places_are_free_again_when_waiting_ended(publisher: Waiting) -> None:
    publisher.decided.set()
    for _ in range(20):
        assert requests.publish_body(Note, b'{"text": "a"}', "wait=1", {}).status == 201


def test_who_finds_no_place_takes_none(monkeypatch: pytest.MonkeyPatch, publisher: Waiting) -> None:
    monkeypatch.setenv("WRITEGATE_HTTP_WAITING", "1")
    place = requests._place_to_wait  # noqa: SLF001  how many are inside at once is decided here
    with place() as first:
        refused = place()
        assert (first, refused.__enter__()) == (True, False)
    with place() as next_one:  # while the refused one still builds its answer
        assert next_one
    refused.__exit__(None, None, None)


def test_without_the_limit_django_takes_all_that_comes(django_site: None) -> None:
    del django_site
    body = Body(end=2 * LIMIT_BYTES)
    assert send_by_asgi(get_asgi_application(), "/accounts/a/deposits", body, None) == 413
    assert body.read >= 2 * LIMIT_BYTES
