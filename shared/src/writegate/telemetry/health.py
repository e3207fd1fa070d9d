"""``/livez``, ``/readyz`` and ``/metrics`` of a process without a web framework: writers and followers of a feed.

Answered from inside the process: `celery inspect ping` says the wrong thing under load (celery#4079).
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

THREADS = 4
"""Requests answered at a time; a probe comes every few seconds."""

_SOCKET_SECONDS = 2.0  # a client that sends nothing keeps a thread for so long
# A request waits for a free thread for so long, and its connection is closed then. Longer than silent clients can keep
# all threads: they delay a probe, and do not refuse it.
_BUSY_SECONDS = 5.0
_POLL_SECONDS = 0.1  # within which the server notices that it is to stop


class HealthServer:
    """Serves three pages on threads of its own, at most :data:`THREADS`.

    ``ready`` returns whether the process is ready, and what ``/readyz`` shows; ``metrics`` returns a page and its
    content type, or None without one. Both are called on the server's threads. Raises :class:`OSError` when the port
    is taken.
    """

    def __init__(
        self,
        address: tuple[str, int],
        ready: Callable[[], tuple[bool, Mapping[str, object]]],
        metrics: Callable[[], tuple[bytes, str] | None],
    ) -> None:
        class Pages(_Pages):
            pages = (ready, metrics)

        self._server = _BoundedServer(address, Pages)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_SECONDS,), name="writegate-health", daemon=True
        )

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Answer from now on."""
        self._thread.start()

    def stop(self, deadline: float) -> None:
        """Close the port, by ``deadline`` of :func:`time.monotonic`. Requests that are being answered are not awaited.

        Harmless when repeated, or when it was never started.
        """
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join(max(0.0, deadline - time.monotonic()))
        self._server.server_close()


class _BoundedServer(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, *arguments: Any) -> None:
        self._free = threading.Semaphore(THREADS)
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        # Further connections wait in the socket's backlog, which the system bounds.
        if self._free.acquire(timeout=_BUSY_SECONDS):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()


class _Pages(BaseHTTPRequestHandler):
    timeout = _SOCKET_SECONDS
    pages: tuple[Callable[[], tuple[bool, Mapping[str, object]]], Callable[[], tuple[bytes, str] | None]]

    def do_GET(self) -> None:
        ready, metrics = self.pages
        match self.path:
            case "/livez":
                self._send_json(HTTPStatus.OK, {"live": True})
            case "/readyz":
                is_ready, state = ready()
                self._send_json(HTTPStatus.OK if is_ready else HTTPStatus.SERVICE_UNAVAILABLE, state)
            case "/metrics" if page := metrics():
                self._send(HTTPStatus.OK, *page)
            case _:
                self._send_json(
                    HTTPStatus.NOT_FOUND, {"error": "expected /livez, /readyz or, where it is switched on, /metrics"}
                )

    def _send_json(self, status: HTTPStatus, body: Mapping[str, object]) -> None:
        self._send(status, json.dumps(body).encode(), "application/json")

    def _send(self, status: HTTPStatus, body: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  its name in the base class
        """Log nothing: probes come every few seconds."""
