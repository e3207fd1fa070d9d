"""A management API that refuses: its address, which holds a password, is in no message."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from writegate.config import Settings
from writegate.errors import WritegateError
from writegate_console.gate.broker import read_samples
from writegate_console.gate.drain.queries import queue_counts
from writegate_console.gate.status.depths import read_depths


class RefusingHandler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_error(401)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  its name there
        del format, args


class OtherHandler(RefusingHandler):
    """Some other server: it answers, in no JSON."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<p>It works!</p>")


class OtherJsonHandler(RefusingHandler):
    """The same, in JSON."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"status": "ok"}')


class MovedHandler(RefusingHandler):
    """A proxy that leads to https."""

    def do_GET(self) -> None:
        self.send_response(302)
        self.send_header("Location", "https://broker/")
        self.end_headers()


@pytest.fixture(params=[RefusingHandler])
def settings(request: pytest.FixtureRequest) -> Iterator[Settings]:
    server = HTTPServer(("127.0.0.1", 0), request.param)
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


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (OtherHandler, "no management API of RabbitMQ"),
        (OtherJsonHandler, "no management API of RabbitMQ"),
        (MovedHandler, "answered 302"),
    ],
    indirect=["settings"],
)
def test_what_is_no_management_api_is_named(settings: Settings, said: str) -> None:
    with pytest.raises(WritegateError, match=said):
        queue_counts(settings, [("flights", 0)])
    assert said in (read_depths(settings)[1] or "")


def test_certificates_that_cannot_be_read_are_named(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere.pem")
    for scheme in ("https", "HTTPS"):
        secure = settings.model_copy(update={"broker_api_url": settings.broker_api_url.replace("http", scheme)})
        assert "SSL_CERT_FILE" in (read_depths(secure)[1] or "")
    assert "SSL_CERT_FILE" not in (read_depths(settings)[1] or "")  # there is none to check


def test_for_no_queue_nothing_is_prepared(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere.pem")  # reading certificates takes most of the time of a call
    secure = settings.model_copy(update={"broker_api_url": settings.broker_api_url.replace("http", "https")})
    assert read_samples(secure, [], 600, 5) == {}
