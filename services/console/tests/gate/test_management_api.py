"""A management API that refuses: its address, which holds a password, is in no message."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from writegate.config import Settings
from writegate.errors import WritegateError
from writegate_console.gate.drain.queries import queue_counts
from writegate_console.gate.status.depths import read_depths


class RefusingHandler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_error(401)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  its name there
        del format, args


@pytest.fixture
def settings() -> Iterator[Settings]:
    server = HTTPServer(("127.0.0.1", 0), RefusingHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://operator:secret-word@127.0.0.1:{server.server_port}"
    yield Settings.load({"WRITEGATE_BROKER_URL": "amqp://u:p@broker", "WRITEGATE_BROKER_API_URL": url})
    server.shutdown()
    server.server_close()


def test_a_refusal_does_not_show_the_password(settings: Settings) -> None:
    with pytest.raises(WritegateError, match="answered 401") as raised:
        queue_counts(settings, [("flights", 0)])
    problem = read_depths(settings)[1] or ""
    assert "401" in problem
    assert "secret-word" not in f"{raised.value}{problem}"
