"""Event streams: a few for each user, and a place is free again when one has ended."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest

from tests.deadlines import patient
from tests.offline_console import OfflineConsole
from writegate_console.users import User
from writegate_console.web.state.streams import MOST_OF_USER

PATIENCE_SECONDS = patient(60)


class Stream:
    """A request for events of a user's page. ``status``: of the answer, once it has begun; ``text``: what has come."""

    def __init__(self, console: OfflineConsole, name: str, path: str) -> None:
        token = console.app.state.shared.sessions.begin(User(name, "operator" if name == "olga" else "reader"))
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": b"only=banner&target=flights",
            "headers": [(b"host", b"console"), (b"cookie", f"writegate-session={token}".encode())],
            "client": ("10.8.8.8", 1),
            "server": ("console", 80),
        }
        self.status: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.text = b""
        self._left = asyncio.Event()
        self._sent = False
        self._task = asyncio.create_task(console.app(scope, self._receive, self._send))

    async def _receive(self) -> dict[str, Any]:
        if self._sent:
            await self._left.wait()
            return {"type": "http.disconnect"}
        self._sent = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def _send(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status.set_result(message["status"])
        self.text += message.get("body", b"")

    async def answer(self) -> int:
        return await asyncio.wait_for(self.status, PATIENCE_SECONDS)

    async def leave(self) -> None:
        self._left.set()
        await asyncio.wait_for(self._task, PATIENCE_SECONDS)


@pytest.mark.parametrize("path", ["/events", "/drain/events"])
def test_a_user_has_so_many_streams_and_no_more(console: OfflineConsole, path: str) -> None:
    async def follow() -> None:
        streams = [Stream(console, "olga", path) for _ in range(MOST_OF_USER)]
        assert [await stream.answer() for stream in streams] == [200] * MOST_OF_USER
        refused, other = Stream(console, "olga", path), Stream(console, "rita", path)
        assert (await refused.answer(), await other.answer()) == (429, 200)
        await refused.leave()
        assert b"olga has 20 pages open" in refused.text
        await streams.pop().leave()
        streams.append(Stream(console, "olga", path))
        assert await streams[-1].answer() == 200, "the place of the one that ended"
        for stream in (*streams, other):
            await stream.leave()

    asyncio.run(follow())
    assert not console.app.state.shared.streams, "nothing is kept of who has left"
