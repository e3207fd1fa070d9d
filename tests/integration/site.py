"""The console in front of a gate, with an operator's broker account: in this process, or on a port."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from tests.asgi import AsgiClient
from tests.deadlines import patient
from tests.integration.gate import Gate
from writegate.config import Settings
from writegate.integrations.uvicorn import TimedProtocol
from writegate_console import users
from writegate_console.gate.database import Row
from writegate_console.gate.operate import Operator
from writegate_console.gate.reader import Reader
from writegate_console.web.application import application
from writegate_console.web.state.shared import SharedState
from writegate_devkit.stack.ports import choose
from writegate_devkit.stack.readiness import wait_until

PASSWORD = "a long password"
OPERATOR, READER = "olga", "rita"
PATIENCE_SECONDS = patient(60)


class Site:
    """A console."""

    def __init__(self, gate: Gate, directory: Path, **settings: str) -> None:
        path = directory / "users.json"
        users.add_user(path, OPERATOR, "operator", PASSWORD)
        users.add_user(path, READER, "reader", PASSWORD)
        loaded = Settings.load({**gate.operator.settings(), "WRITEGATE_CONSOLE_USERS": str(path), **settings})
        self._operator = Operator(loaded)
        self.app = application(loaded, self._operator.operate)

    @property
    def state(self) -> SharedState:
        state: SharedState = self.app.state.shared
        return state

    def client(self, name: str = OPERATOR) -> LoggedInClient:
        """Return the client of a user who has logged in."""
        return LoggedInClient(self, name)

    @contextmanager
    def recording(self) -> Iterator[list[tuple[Any, Any]]]:
        """Yield a list that takes each query to the database, with its parameters, while the block lasts."""
        queries: list[tuple[Any, Any]] = []
        usual = Reader.all

        def all_(reader: Reader, query: Any, parameters: Mapping[str, Any] | None = None) -> list[Row]:
            queries.append((query, parameters))
            return usual(reader, query, parameters)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Reader, "all", all_)
            yield queries

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Serve it on a port; yield its address."""
        port = choose(("console",), {})["console"]
        server = uvicorn.Server(
            uvicorn.Config(
                self.app,
                http=TimedProtocol,
                port=port,
                log_level="error",
                proxy_headers=False,
                timeout_graceful_shutdown=1,
                lifespan="off",
            )
        )
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        assert wait_until(lambda: server.started, PATIENCE_SECONDS)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            thread.join(PATIENCE_SECONDS)

    def close(self) -> None:
        self.state.close()
        self._operator.close()


class LoggedInClient(AsgiClient):
    """A client of a user who has logged in."""

    def __init__(self, site: Site, name: str) -> None:
        super().__init__(site.app)
        answer = self.post("/login", data={"name": name, "password": PASSWORD, "next": "/"})
        assert answer.status_code == 303, answer.text
        me = self.get("/api/v1/me").json()
        assert me["name"] == name
        self._csrf = me["csrf"]

    def page(self, path: str, code: int = 200) -> str:
        """Return a page."""
        answer = self.get(path)
        assert answer.status_code == code, f"{path}: {answer.status_code}\n{answer.text}"
        return answer.text

    def act(self, path: str, **form: str) -> httpx.Response:
        """Confirm an action on its page."""
        return self.post(path, data={"csrf": self._csrf, "reason": "a test", **form})

    def send(self, path: str, body: Any) -> Any:
        """Call the API with JSON; return what it answers."""
        answer = self.post(path, json=body, headers={"X-CSRF-Token": self._csrf})
        assert answer.is_success, answer.text
        return answer.json()

    def finish(self, answer: httpx.Response) -> str:
        """Watch a job until it has ended; return its page."""
        assert answer.status_code == 303, answer.text
        path = answer.headers["location"]
        assert re.fullmatch(r"/jobs/[\w-]+", path)
        assert wait_until(lambda: ">running<" not in self.page(path), PATIENCE_SECONDS), self.page(path)
        return self.page(path)


@contextmanager
def site_of(gate: Gate, directory: Path, **settings: str) -> Iterator[Site]:
    site = Site(gate, directory, **settings)
    try:
        yield site
    finally:
        site.close()
