"""A process that publishes a feed at a steady rate, with health and metrics over HTTP."""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Iterable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from writegate.config import Settings
from writegate.contract.command import Command
from writegate.errors import WritegateError
from writegate.integrations.stream import publish_stream
from writegate.publishing import Publisher
from writegate.telemetry import metrics_page


def follow(name: str, commands: Iterable[Command], rate: float) -> None:
    """Publish ``rate`` commands a second until they end, or until SIGTERM or SIGINT. Call it on the main thread.

    ``name`` is the program's name in error messages. An error of publishing ends the process with one line.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        settings = Settings.load(need=("broker_url",))
        with Publisher(settings) as publisher, HealthServer(settings, publisher) as health:
            threading.Thread(target=health.serve_forever, name="health", daemon=True).start()
            publish_stream(publisher, commands, rate=rate, stop=stop)
            health.shutdown()
    except WritegateError as error:
        sys.exit(f"{name}: {error}")


class HealthServer(ThreadingHTTPServer):
    """Answers ``/livez``, ``/readyz`` and ``/metrics``, each request on a thread of its own.

    ``/readyz`` is 200 while the broker takes commands, else 503. ``/metrics`` is 404 unless the settings name it.
    """

    daemon_threads = True

    def __init__(self, settings: Settings, publisher: Publisher) -> None:
        super().__init__(("127.0.0.1", settings.http_port), _Health)
        self.settings = settings
        self.publisher = publisher


class _Health(BaseHTTPRequestHandler):
    server: HealthServer

    def do_GET(self) -> None:
        match self.path:
            case "/livez":
                self._answer(HTTPStatus.OK, {"live": True})
            case "/readyz":
                ready = self.server.publisher.connected
                self._answer(HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE, {"broker": ready})
            case "/metrics" if page := metrics_page(self.server.settings):
                self._send(HTTPStatus.OK, *page)
            case _:
                self._answer(HTTPStatus.NOT_FOUND, {"error": "expected /livez, /readyz or, if asked for, /metrics"})

    def _answer(self, status: HTTPStatus, body: dict[str, object]) -> None:
        self._send(status, json.dumps(body).encode(), "application/json")

    def _send(self, status: HTTPStatus, text: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  its name in http.server
        """Write no log line: probes come every second."""
