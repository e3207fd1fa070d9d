"""Django: an application to list in ``INSTALLED_APPS``.

::

    INSTALLED_APPS = ["writegate.integrations.django"]
    WRITEGATE = {"BROKER_URL": "amqp://…", "APP_ID": "fleet"}  # for settings that are not in the environment

    def airframe(request: HttpRequest, tail: str) -> HttpResponse:
        return respond(request, RegisterAirframe, tail=tail)

    urlpatterns = [
        path("airframes/<str:tail>", airframe),
        path("receipts/<str:command_id>", receipt, {"service": "fleet"}),
    ]

The application adds to ``manage.py check --database default`` a warning about a database user that may still write to
the gate's tables, and the commands ``writegate_publish`` and ``writegate_status``.
"""

from __future__ import annotations

from typing import Any

from django.core.handlers.wsgi import WSGIRequest
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from writegate.contract.command import Command
from writegate.integrations import requests
from writegate.integrations.after_commit import report_unpublished
from writegate.integrations.http import Answer, body_too_large, length_required
from writegate.publishing import process

__all__ = ["live", "metrics", "publish_after_transaction", "ready", "receipt", "respond"]


def publish_after_transaction(command: Command, using: str | None = None) -> None:
    """Publish ``command`` when the transaction on ``using`` commits; see :func:`writegate.publish_on_commit`."""

    def publish() -> None:
        with report_unpublished([command]):
            process.publish(command)

    transaction.on_commit(publish, using)


def respond(request: HttpRequest, kind: type[Command], **path: Any) -> HttpResponse:
    """Publish the command in a request's body and answer as :mod:`writegate.integrations.http` describes.

    ``path`` are fields from the request's path, such as ``tail=tail``.
    """
    limit_bytes = requests.body_limit_bytes()
    if isinstance(request, WSGIRequest) and "Transfer-Encoding" in request.headers:
        return _response(length_required())  # Django takes it for empty there
    if int(request.META.get("CONTENT_LENGTH") or 0) > limit_bytes or len(request.body) > limit_bytes:
        return _response(body_too_large(limit_bytes))
    return _response(requests.publish_body(kind, request.body, request.headers.get("Prefer"), path))


@require_safe
def receipt(_: HttpRequest, command_id: str, service: str) -> HttpResponse:
    """A view that answers what became of a command; 404 while nothing is known of its id."""
    return _response(requests.look_up(service, command_id))


@require_safe
async def live(_: HttpRequest) -> HttpResponse:
    """A view that answers that this process lives: under ASGI on the event loop, whatever keeps the threads."""
    return _response(requests.live())


@require_safe
def ready(_: HttpRequest) -> HttpResponse:
    """A view that answers whether the broker takes commands of this process."""
    return _response(requests.ready())


@require_safe
def metrics(_: HttpRequest) -> HttpResponse:
    """A view with the page for Prometheus; 404 unless ``WRITEGATE_TELEMETRY`` names it."""
    status, content, kind = requests.metrics()
    return HttpResponse(content, kind, status)


def _response(answer: Answer) -> HttpResponse:
    return HttpResponse(answer.json(), "application/json", answer.status, headers=dict(answer.headers))
