"""The pages to read."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, HTTPException, Query, Request, status
from fastapi.responses import HTMLResponse, RedirectResponse

from writegate.errors import WritegateError
from writegate_console.gate.audit import actions_on, newest_entries
from writegate_console.gate.batches import batch_with_commands
from writegate_console.gate.connections.queries import RECENT_BATCHES, read_connections
from writegate_console.gate.history import Period
from writegate_console.gate.kept.search import (
    PAGE_COMMANDS,
    DeferredCommand,
    DeferredDetail,
    ParkedCommand,
    ParkedDetail,
    detail,
    search,
)
from writegate_console.web.security.identity import PageViewer, Viewer
from writegate_console.web.state.shared import place_of, shared_state
from writegate_console.web.views.charts import charts_of
from writegate_console.web.views.effects import total
from writegate_console.web.views.filters import DeferredFilters, Filters, ParkedFilters
from writegate_console.web.views.models import command_page, current_overview, service_page
from writegate_console.web.views.rendering import page

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

AUDIT_ENTRIES = 50
SERVICES = 50

PeriodQuery = Annotated[Period, Query()]


@router.get("/")
def overview(request: Request, viewer: PageViewer, period: PeriodQuery = "15m") -> HTMLResponse:
    """Show the whole gate on one screen."""
    state = shared_state(request)
    snapshot = state.live.current()
    charts = []
    with suppress(WritegateError):  # the next reading of the overview finds that the database does not answer
        if snapshot.overview is not None and snapshot.database is None:
            charts = charts_of(state, place_of(request), period)
    context: dict[str, Any] = {"snapshot": snapshot, "overview": snapshot.overview, "charts": charts, "period": period}
    return page(request, "overview.html", viewer, **context)


@router.get("/services")
def services(
    request: Request, viewer: PageViewer, start: Annotated[int, Query(ge=0, le=1_000_000)] = 0
) -> HTMLResponse:
    """Show all services, some on each page."""
    _, overview = current_overview(shared_state(request))
    rows = overview.services[start : start + SERVICES]
    context: dict[str, Any] = {
        "rows": rows,
        "start": start,
        "step": SERVICES,
        "count": len(overview.services),
        "now": overview.at,
    }
    return page(request, "services.html", viewer, **context)


@router.get("/services/{name}")
def service(request: Request, viewer: PageViewer, name: str, period: PeriodQuery = "1h") -> HTMLResponse:
    """Show one service."""
    state = shared_state(request)
    found = service_page(state, place_of(request), name)
    if found is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, f"there is no service {name!r}")
    charts = charts_of(state, place_of(request), period, name)
    return page(request, "service.html", viewer, service=found, charts=charts, period=period)


@router.get("/find")
def find(viewer: PageViewer, q: str = "") -> RedirectResponse:
    """Go to the command with an id."""
    del viewer
    path = f"/commands/{quote(q.strip(), safe='')}" if q.strip() else "/"
    return RedirectResponse(path, status.HTTP_303_SEE_OTHER)


@router.get("/commands/{id_:path}")
def command(request: Request, viewer: PageViewer, id_: str) -> HTMLResponse:
    """Show one command: what became of it, and what followed from it."""
    found = command_page(place_of(request).reader, id_)
    code = status.HTTP_200_OK if found.anything else status.HTTP_404_NOT_FOUND
    return page(request, "command.html", viewer, code, command=found)


@router.get("/batches/{number}")
def batch(request: Request, viewer: PageViewer, number: int) -> HTMLResponse:
    """Show one batch."""
    found = batch_with_commands(place_of(request).reader, number)
    if found is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, f"there is no batch {number}, or it is not kept any more")
    return page(request, "batch.html", viewer, commands=found, batch=found.batch)


BelowQuery = Annotated[int | None, Query()]


@router.get("/parked")
def parked(request: Request, viewer: PageViewer, filters: ParkedFilters, below: BelowQuery = None) -> HTMLResponse:
    """Show parked commands that match filters."""
    return _kept(request, viewer, filters, ParkedCommand, below)


@router.get("/parked/{number}")
def parked_command(request: Request, viewer: PageViewer, number: int) -> HTMLResponse:
    """Show one parked command."""
    return _kept_command(request, viewer, ParkedDetail, number)


@router.get("/deferred")
def deferred(request: Request, viewer: PageViewer, filters: DeferredFilters, below: BelowQuery = None) -> HTMLResponse:
    """Show deferred commands that match filters."""
    return _kept(request, viewer, filters, DeferredCommand, below)


@router.get("/deferred/{number}")
def deferred_command(request: Request, viewer: PageViewer, number: int) -> HTMLResponse:
    """Show one deferred command."""
    return _kept_command(request, viewer, DeferredDetail, number)


def _kept(
    request: Request,
    viewer: Viewer,
    filters: Filters,
    kind: type[ParkedCommand | DeferredCommand],
    below: int | None,
) -> HTMLResponse:
    reader = place_of(request).reader
    limit = PAGE_COMMANDS + 1
    groups, rows = search(reader, kind, filters.selection, state=filters.state, below=below, limit=limit)
    context = {
        "name": filters.name,
        "filters": filters,
        "groups": groups,
        "total": total(groups),
        "rows": rows[:PAGE_COMMANDS],
        "more": rows[PAGE_COMMANDS - 1].number if len(rows) > PAGE_COMMANDS else None,
        "below": below,
    }
    return page(request, "kept.html", viewer, 400 if filters.problem else 200, **context)


def _kept_command(
    request: Request, viewer: Viewer, kind: type[ParkedDetail | DeferredDetail], number: int
) -> HTMLResponse:
    reader, name = place_of(request).reader, kind.table.name
    found = detail(reader, kind, number)
    if found is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, f"no {name} command has the number {number}")
    history = actions_on(reader, kind.table, number)
    return page(request, "kept_command.html", viewer, name=name, command=found, history=history)


@router.get("/audit")
def audit(request: Request, viewer: PageViewer, before: Annotated[int | None, Query()] = None) -> HTMLResponse:
    """Show what people did, by the query: ``who``, ``action``, ``target``."""
    given = {name: request.query_params.get(name, "").strip() or None for name in ("who", "action", "target")}
    rows = newest_entries(place_of(request).reader, AUDIT_ENTRIES + 1, before=before, **given)
    more = rows[AUDIT_ENTRIES - 1].seq if len(rows) > AUDIT_ENTRIES else None
    return page(request, "audit.html", viewer, rows=rows[:AUDIT_ENTRIES], more=more, given=given, before=before)


@router.get("/connections")
def connections(request: Request, viewer: PageViewer) -> HTMLResponse:
    """Show who is connected, and who may still write directly."""
    report = read_connections(place_of(request).reader)
    return page(request, "connections.html", viewer, report=report, recent_batches=RECENT_BATCHES)
