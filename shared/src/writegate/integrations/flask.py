"""Flask: an extension that publishes the command in a request, and answers for receipts and health.

::

    writegate = Writegate(app)  # or Writegate() and init_app(app)

    @app.post("/departures")
    def record_departure() -> Response:
        return writegate.respond(RecordDeparture)

    @app.get("/receipts/<command_id>")
    def receipt(command_id: str) -> Response:
        return writegate.receipt(flights, command_id)

``app.config`` may hold settings (``WRITEGATE_BROKER_URL`` …); environment variables take precedence. All applications
of a process share its publisher, which lives longer than any request or application context.
"""

from __future__ import annotations

from typing import Any

from flask import Flask, Response, request
from werkzeug.exceptions import RequestEntityTooLarge

from writegate.config import PREFIX
from writegate.contract.command import Command
from writegate.contract.service import Service
from writegate.errors import PublishError
from writegate.integrations import requests
from writegate.integrations.http import Answer, body_too_large, refused
from writegate.publishing import Publisher, process


class Writegate:
    """The extension. ``app_id`` names the publishing service in its messages."""

    def __init__(self, app: Flask | None = None, *, app_id: str | None = None) -> None:
        self._app_id = app_id
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Take the settings from an application's configuration, and answer the errors of publishing in its views."""
        process.configure(defaults=app.config.get_namespace(PREFIX), app_id=self._app_id)
        app.extensions["writegate"] = self
        app.register_error_handler(PublishError, lambda error: _response(refused(error)))

    @property
    def publisher(self) -> Publisher:
        """The publisher of this process."""
        return process.publisher()

    def respond(self, kind: type[Command], **path: Any) -> Response:
        """Publish the command in the request's body and answer as :mod:`writegate.integrations.http` describes.

        ``path`` are fields from the request's path, such as ``account=account``.
        """
        limit_bytes = requests.body_limit_bytes()
        # Without a length, Werkzeug cuts a body at its limit and takes it for whole: so the limit is one more.
        request.max_content_length = limit_bytes + (request.content_length is None)
        try:
            body = request.get_data()
        except RequestEntityTooLarge:
            return _response(body_too_large(limit_bytes))
        if len(body) > limit_bytes:
            return _response(body_too_large(limit_bytes))
        return _response(requests.publish_body(kind, body, request.headers.get("Prefer"), path))

    def receipt(self, service: Service, command_id: str) -> Response:
        """Answer what became of a command: 404 while nothing is known of its id."""
        return _response(requests.look_up(service.name, command_id))

    def live(self) -> Response:
        """Answer that this process lives."""
        return _response(requests.live())

    def ready(self) -> Response:
        """Answer whether the broker takes commands of this process."""
        return _response(requests.ready())

    def metrics(self) -> Response:
        """Answer with the page for Prometheus; 404 unless ``WRITEGATE_TELEMETRY`` names it."""
        status, content, kind = requests.metrics()
        return Response(content, status, content_type=kind)


def _response(answer: Answer) -> Response:
    return Response(answer.json(), answer.status, dict(answer.headers), content_type="application/json")
