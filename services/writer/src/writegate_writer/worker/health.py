"""`/livez`, `/readyz` and `/metrics` of a writer, from inside the process: what Celery's ping says lies under load."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest


class Health(threading.Thread):
    """Serves three pages. Ready: connected to the broker, and to the database or standing by for a connection to it."""

    def __init__(self, port: int, info: Callable[[], dict[str, Any]]) -> None:
        super().__init__(name="writegate-health", daemon=True)

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/metrics":
                    self._answer(200, CONTENT_TYPE_LATEST, generate_latest())
                    return
                state = info()
                ready = state["broker"] and (state["standing_by"] or state["connections"] > 0)
                answers = {"/livez": (200, {"alive": True}), "/readyz": (200 if ready else 503, state)}
                status, body = answers.get(self.path, (404, {"error": "expected /livez, /readyz or /metrics"}))
                self._answer(status, "application/json", json.dumps(body).encode())

            def _answer(self, status: int, content_type: str, payload: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  its name in the base class
                """Probes are not worth a line each."""

        self._server = ThreadingHTTPServer(("", port), Handler)

    def run(self) -> None:
        self._server.serve_forever()
