"""What is read of a request's body: nothing before it is known who sends it, and never more than the limit."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.offline_console import PASSWORD, OfflineConsole, offline_console

CHUNK = b"[" * 65_536
LIMIT_BYTES = 1024**2

ACTIONS = (
    "holds", "releases", "rehearsals", "replays", "drops", "deferred/rehearsals", "deferred/replays",
    "deferred/parkings", "deferred/drops", "removals", "parked/1/edits",
)  # fmt: skip
FORMS = ("/act/hold", "/act/release", "/act/edit/1", "/act/parked/replay", "/act/deferred/drop")


@dataclass
class Sent:
    """A request whose body never ends, and its answer. ``read``: how many bytes of the body were taken."""

    read: int = 0
    status: int = 0
    answer: list[Any] = field(default_factory=list)


def send(console: OfflineConsole, path: str, length: int | None, **headers: str) -> Sent:
    """Send a request straight to the application."""
    sent = Sent()

    async def receive() -> dict[str, Any]:
        sent.read += len(CHUNK)
        assert sent.read < 100 * LIMIT_BYTES, "it reads on for ever"
        return {"type": "http.request", "body": CHUNK, "more_body": True}

    async def take(message: Any) -> None:
        if message["type"] == "http.response.start":
            sent.status = message["status"]

    headers = {"content-type": "application/json", **headers}
    if length is not None:
        headers["content-length"] = str(length)
    scope = {
        "type": "http", "method": "POST", "path": path, "query_string": b"", "scheme": "http", "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "server": ("console", 80), "client": ("127.0.0.1", 1), "http_version": "1.1", "asgi": {"version": "3.0"},
    }  # fmt: skip
    asyncio.run(console.app(scope, receive, take))
    return sent


def password_of(name: str) -> str:
    return "Basic " + b64encode(f"{name}:{PASSWORD}".encode()).decode()


@pytest.mark.parametrize("path", [*(f"/api/v1/{action}" for action in ACTIONS), *FORMS])
def test_nothing_is_read_of_what_nobody_known_sends(console: OfflineConsole, path: str) -> None:
    sent = send(console, path, None)
    assert (sent.status, sent.read) == (401, 0)


@pytest.mark.parametrize("action", ACTIONS)
def test_nothing_is_read_of_what_a_reader_may_not_do(console: OfflineConsole, action: str) -> None:
    sent = send(console, f"/api/v1/{action}", None, Authorization=password_of("rita"))
    assert (sent.status, sent.read) == (403, 0)


@pytest.mark.parametrize("path", [*(f"/api/v1/{action}" for action in ACTIONS), *FORMS, "/login", "/logout"])
def test_a_body_that_is_too_large_is_refused_unread(console: OfflineConsole, path: str) -> None:
    sent = send(console, path, 150_000_000, Authorization=password_of("olga"))
    assert (sent.status, sent.read) == (413, 0)


@pytest.mark.parametrize("path", [*(f"/api/v1/{action}" for action in ACTIONS), "/login", "/logout"])
def test_a_body_without_a_length_is_read_no_further_than_the_limit(console: OfflineConsole, path: str) -> None:
    sent = send(console, path, None, Authorization=password_of("olga"))
    assert sent.status == 413
    assert sent.read <= LIMIT_BYTES + len(CHUNK)


@pytest.mark.parametrize("path", ["/login", "/logout"])
def test_who_is_not_known_sends_little(console: OfflineConsole, path: str) -> None:
    sent = send(console, path, None)
    assert (sent.status, sent.read) == (413, len(CHUNK))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OfflineConsole]:
    directory: Path = tmp_path_factory.mktemp("small")
    with offline_console(directory, WRITEGATE_HTTP_BODY_BYTES="4096") as made:
        yield made


def test_the_limit_is_a_setting(small: OfflineConsole) -> None:
    sent = send(small, "/api/v1/holds", None, Authorization=password_of("olga"))
    assert (sent.status, sent.read) == (413, len(CHUNK))
