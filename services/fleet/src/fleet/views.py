"""The views: airframes are registered and inspected, receipts and health are asked for."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from pydantic import ValidationError
from pydantic_core import from_json, to_json

from fleet.contract import RecordInspection, RegisterAirframe, fleet
from fleet.publishing import publisher
from writegate import Command
from writegate.errors import PublishError, ReceiptTimeout
from writegate.integrations.http import (
    Answer,
    accepted,
    decided,
    invalid,
    looked_up,
    preferred_wait,
    refused,
    undecided,
)

LOOKUP_SECONDS = 5.0


@require_http_methods(["PUT"])
def airframe(request: HttpRequest, tail: str) -> HttpResponse:
    """Register an airframe; what is sent replaces what the register said."""
    return _response(_publish(RegisterAirframe, request, tail))


@require_POST
def inspections(request: HttpRequest, tail: str) -> HttpResponse:
    """Record an inspection of an airframe."""
    return _response(_publish(RecordInspection, request, tail))


@require_GET
def receipt(_: HttpRequest, command_id: str) -> HttpResponse:
    """Tell what became of a command: 404 while nothing is known of its id."""
    try:
        return _response(looked_up(command_id, publisher().lookup(fleet.name, command_id, LOOKUP_SECONDS)))
    except (ReceiptTimeout, PublishError) as error:
        return _response(undecided(command_id, error))


@require_GET
def live(_: HttpRequest) -> HttpResponse:
    """Whether this process answers. Touches nothing: a broker that is down is no reason to restart it."""
    return _response(Answer(200, {"live": True}))


@require_GET
def ready(_: HttpRequest) -> HttpResponse:
    """Whether a command posted now would leave at once."""
    connected = publisher().connected
    return _response(Answer(200 if connected else 503, {"broker": connected}))


def _publish(kind: type[Command], request: HttpRequest, tail: str) -> Answer:
    seconds = preferred_wait(request.headers.get("Prefer"))
    try:
        command = _command(kind, request.body, tail)
        if seconds is None:
            return accepted(publisher().publish(command).command_id)
        pending = publisher().publish(command, receipt=True)
        try:
            return decided(pending.wait(seconds))
        except ReceiptTimeout:
            return accepted(pending.command_id)
    except ValidationError as error:
        return invalid(error)
    except PublishError as error:
        return refused(error)


def _command(kind: type[Command], body: bytes, tail: str) -> Command:
    """Read the fields, the tail from the path. Through JSON: a strict model takes a date from JSON only."""
    try:
        fields = from_json(body)
    except ValueError:
        return kind.model_validate_json(body)  # says what is wrong with it
    return kind.model_validate_json(to_json(fields | {"tail": tail} if isinstance(fields, dict) else fields))


def _response(answer: Answer) -> HttpResponse:
    return HttpResponse(answer.json(), "application/json", answer.status, headers=dict(answer.headers))
