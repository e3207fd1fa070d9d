"""A console without servers: its database does not answer, and its writer does whatever it is asked."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.asgi import AsgiClient
from writegate.config import Settings
from writegate.contract.operations import Operation
from writegate_console import users
from writegate_console.web.application import application
from writegate_console.web.state.throttle import LoginThrottle

PASSWORD = "correct horse battery"
OPERATOR, READER = "olga", "rita"
_CLOSED_PORT = "127.0.0.1:1"


class OfflineConsole:
    """``operations``: what the writer was asked to do; ``users``: the file of users."""

    def __init__(self, directory: Path, **settings: str) -> None:
        self.operations: list[Operation] = []
        self.users = directory / "users.json"
        users.add_user(self.users, OPERATOR, "operator", PASSWORD)
        users.add_user(self.users, READER, "reader", PASSWORD)
        loaded = Settings.load(
            {
                "WRITEGATE_DATABASE_URL": f"postgresql://nobody:nothing@{_CLOSED_PORT}/none",
                "WRITEGATE_BROKER_URL": f"amqp://nobody:nothing@{_CLOSED_PORT}/",
                "WRITEGATE_CONSOLE_USERS": str(self.users),
                **settings,
            }
        )
        self.app = application(loaded, self._operate)

    def _operate(self, operation: Operation) -> dict[str, Any]:
        self.operations.append(operation)
        return {"done": 0, "last": 0, "skipped": {}}

    def client(self, **more: Any) -> AsgiClient:
        """Return a client that is not logged in."""
        return AsgiClient(self.app, **more)

    def reset(self) -> None:
        """Forget operations and failed log-ins, as between two tests."""
        self.operations.clear()
        self.app.state.shared.throttle = LoginThrottle()


@contextmanager
def offline_console(directory: Path, **settings: str) -> Iterator[OfflineConsole]:
    """Yield a console, and close it."""
    console = OfflineConsole(directory, **settings)
    try:
        yield console
    finally:
        console.app.state.shared.close()


def log_in(client: AsgiClient, name: str, password: str = PASSWORD) -> httpx.Response:
    """Send the log-in form."""
    return client.post("/login", data={"name": name, "password": password, "next": "/"})


def csrf_of(client: AsgiClient) -> str:
    """Return the token in the forms of a client's pages."""
    found = re.search(r'name="csrf" value="([^"]+)"', client.get("/").text)
    assert found
    return found[1]


def basic_headers(name: str, password: str = PASSWORD) -> dict[str, str]:
    """Return the header of HTTP Basic."""
    return {"Authorization": "Basic " + b64encode(f"{name}:{password}".encode()).decode()}
