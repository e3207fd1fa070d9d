"""The views: register an airframe, record an inspection."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_http_methods, require_POST

from fleet.contract import RecordInspection, RegisterAirframe
from writegate.integrations.django import respond


@require_http_methods(["PUT"])
def airframe(request: HttpRequest, tail: str) -> HttpResponse:
    """Register an airframe; the body replaces its earlier entry."""
    return respond(request, RegisterAirframe, tail=tail)


@require_POST
def inspections(request: HttpRequest, tail: str) -> HttpResponse:
    """Record an inspection of an airframe."""
    return respond(request, RecordInspection, tail=tail)
