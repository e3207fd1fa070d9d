"""The pages to look at."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, HTTPException, Query, Request, status
from fastapi.responses import HTMLResponse, RedirectResponse

from writegate.errors import WritegateError
from writegate_console.gate import audit, batches
from writegate_console.gate.history import History, Period
from writegate_console.gate.parked import search as parked
from writegate_console.gate.parked.queries import history as history_of
from writegate_console.web.security.identity import Looking
from writegate_console.web.state.state import State, state_of
from writegate_console.web.views import models as looking
from writegate_console.web.views.chart import Chart, chart
from writegate_console.web.views.forms import PageFilters
from writegate_console.web.views.rendering import page

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

ACTS = 50
SERVICES = 50

AskedPeriod = Annotated[Period, Query()]


def charts_of(state: State, period: Period, service: str | None = None) -> list[Chart]:
    """Return the charts of the gate, or of one service."""
    history: History = state.histories.get((period, service))
    found = [
        chart("Commands", "a second", [("commands_per_second", "commands")], history),
        chart("Commits", "a second", [("commits_per_second", "commits")], history),
        chart("Set aside", "commands", [("parked_commands", "parked"), ("deferred_commands", "deferred")], history),
    ]
    if service is None:
        budget = state.live.newest().overview
        limit = float(budget.headline.budget) if budget is not None and budget.headline.budget > 0 else None
        figures = [("server_connections", "all"), ("writer_connections", "writers")]
        found.insert(2, chart("Connections", "open", figures, history, limit))
    return found


@router.get("/")
def overview(request: Request, viewer: Looking, period: AskedPeriod = "15m") -> HTMLResponse:
    """The whole gate on one screen."""
    state = state_of(request)
    seen = state.live.now()
    charts = []
    with suppress(WritegateError):  # that it is away is told by the next look
        charts = charts_of(state, period) if seen.overview is not None and seen.database is None else []
    return page(request, "overview.html", viewer, seen=seen, overview=seen.overview, charts=charts, period=period)


@router.get("/services")
def services(request: Request, viewer: Looking, start: Annotated[int, Query(ge=0, le=1_000_000)] = 0) -> HTMLResponse:
    """All services."""
    _, seen = looking.present(state_of(request))
    rows = seen.services[start : start + SERVICES]
    return page(
        request, "services.html", viewer, rows=rows, start=start, step=SERVICES, count=len(seen.services), now=seen.at
    )


@router.get("/services/{name}")
def service(request: Request, viewer: Looking, name: str, period: AskedPeriod = "1h") -> HTMLResponse:
    """One service."""
    state = state_of(request)
    found = looking.service(state, name)
    if found is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, f"there is no service {name!r}")
    charts = charts_of(state, period, name)
    return page(request, "service.html", viewer, service=found, charts=charts, period=period)


@router.get("/find")
def find(request: Request, viewer: Looking, q: str = "") -> RedirectResponse:
    """Go to the command with an id."""
    del request, viewer
    path = f"/commands/{quote(q.strip(), safe='')}" if q.strip() else "/"
    return RedirectResponse(path, status.HTTP_303_SEE_OTHER)


@router.get("/commands/{id_:path}")
def command(request: Request, viewer: Looking, id_: str) -> HTMLResponse:
    """One command: what became of it, and what followed from it."""
    found = looking.command(state_of(request), id_)
    code = status.HTTP_200_OK if found.anything else status.HTTP_404_NOT_FOUND
    return page(request, "command.html", viewer, code, command=found)


@router.get("/batches/{number}")
def batch(request: Request, viewer: Looking, number: int) -> HTMLResponse:
    """One batch."""
    found = batches.decided(state_of(request).reader, number)
    if found is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, f"there is no batch {number}, or it is not kept any more")
    return page(request, "batch.html", viewer, decided=found, batch=found.batch)


@router.get("/parked")
def parked_list(
    request: Request, viewer: Looking, filters: PageFilters, below: Annotated[int | None, Query()] = None
) -> HTMLResponse:
    """Parked commands that fit filters."""
    state = state_of(request)
    groups = parked.groups(state.reader, filters.selection, state=filters.state)
    rows = parked.listed(state.reader, filters.selection, state=filters.state, below=below, limit=parked.PAGE + 1)
    more = rows[parked.PAGE - 1].number if len(rows) > parked.PAGE else None
    context = {
        "filters": filters,
        "groups": groups,
        "total": sum(one.commands for one in groups),
        "rows": rows[: parked.PAGE],
        "more": more,
        "below": below,
    }
    return page(request, "parked.html", viewer, 400 if filters.problem else 200, **context)


@router.get("/parked/{number}")
def parked_one(request: Request, viewer: Looking, number: int) -> HTMLResponse:
    """One parked command."""
    state = state_of(request)
    found = parked.one(state.reader, number)
    if found is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, f"no parked command has the number {number}")
    return page(request, "parked_one.html", viewer, command=found, history=history_of(state.reader, number))


@router.get("/audit")
def acts(request: Request, viewer: Looking, before: Annotated[int | None, Query()] = None) -> HTMLResponse:
    """What people did, as the query says: ``who``, ``action``, ``target``."""
    given = {name: request.query_params.get(name, "").strip() or None for name in ("who", "action", "target")}
    rows = audit.newest(state_of(request).reader, ACTS + 1, before=before, **given)
    more = rows[ACTS - 1].seq if len(rows) > ACTS else None
    return page(request, "audit.html", viewer, rows=rows[:ACTS], more=more, given=given, before=before)


@router.get("/connections")
def connections(request: Request, viewer: Looking) -> HTMLResponse:
    """Who is connected, and who may still write directly."""
    return page(request, "connections.html", viewer, picture=looking.connections(state_of(request)))
