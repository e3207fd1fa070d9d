"""The part of the API that changes nothing."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.concurrency import run_in_threadpool

from writegate_console.gate.audit import AuditEntry, newest_entries
from writegate_console.gate.batches import BatchCommands, batch_with_commands
from writegate_console.gate.connections.counts import ConnectionsReport
from writegate_console.gate.connections.queries import read_connections
from writegate_console.gate.drain.drain import Drain
from writegate_console.gate.history import History, Period
from writegate_console.gate.kept.search import (
    DeferredCommand,
    DeferredDetail,
    ParkedCommand,
    ParkedDetail,
    detail,
    search,
)
from writegate_console.gate.overview.services import ServiceRow
from writegate_console.web.routes.api.models import (
    PROBLEMS,
    AuditQuery,
    CurrentUser,
    DeferredPage,
    DeferredQuery,
    DrainAnswer,
    Number,
    OverviewAnswer,
    ParkedPage,
    ParkedQuery,
    found_or_404,
)
from writegate_console.web.security.identity import ApiViewer, api_viewer
from writegate_console.web.state.jobs import Job
from writegate_console.web.state.shared import place_of, shared_state
from writegate_console.web.views.effects import total
from writegate_console.web.views.models import CommandPage, ServicePage, command_page, current_overview, service_page

router = APIRouter(prefix="/api/v1", responses=PROBLEMS, dependencies=[Depends(api_viewer)])

MAX_DRAIN_SECONDS = 30
DRAIN_INTERVAL_SECONDS = 1.0


@router.get("/me")
def me(viewer: ApiViewer) -> CurrentUser:
    """Return who calls."""
    return CurrentUser(viewer.user.name, viewer.user.role, viewer.csrf)


@router.get("/overview")
def overview(request: Request) -> OverviewAnswer:
    """Return the whole gate."""
    snapshot, found = current_overview(shared_state(request))
    return OverviewAnswer(snapshot.age_seconds, snapshot.database, snapshot.broker, found)


@router.get("/history")
def history(request: Request, period: Period = "15m", service: str | None = None) -> History:
    """Return metrics of the last hours, of one service or of the gate."""
    return place_of(request).histories.get((period, service))


@router.get("/services")
def services(request: Request) -> list[ServiceRow]:
    """Return all services."""
    return list(current_overview(shared_state(request))[1].services)


@router.get("/services/{name}")
def service(request: Request, name: str) -> ServicePage:
    """Return one service."""
    return found_or_404(service_page(shared_state(request), place_of(request), name), f"there is no service {name!r}")


@router.get("/commands/{id}")
def command(request: Request, id: str) -> CommandPage:  # noqa: A002  its name in the address
    """Return what became of a command."""
    found = command_page(place_of(request).reader, id)
    return found_or_404(found if found.anything else None, f"nothing is known of {id!r}")


@router.get("/batches/{number}")
def batch(request: Request, number: Number) -> BatchCommands:
    """Return a batch and its commands."""
    found = batch_with_commands(place_of(request).reader, number)
    return found_or_404(found, f"there is no batch {number}, or it is not kept any more")


@router.get("/parked")
def parked(request: Request, asked: Annotated[ParkedQuery, Query()]) -> ParkedPage:
    """Return parked commands that match, newest first."""
    selection, state, below, limit = asked.selection(), asked.state, asked.below, asked.limit
    reader = place_of(request).reader
    groups, rows = search(reader, ParkedCommand, selection, state=state, below=below, limit=limit)
    return ParkedPage(total(groups), groups, rows)


@router.get("/parked/{number}")
def parked_command(request: Request, number: Number) -> ParkedDetail:
    """Return one parked command with its body."""
    found = detail(place_of(request).reader, ParkedDetail, number)
    return found_or_404(found, f"no parked command has the number {number}")


@router.get("/deferred")
def deferred(request: Request, asked: Annotated[DeferredQuery, Query()]) -> DeferredPage:
    """Return deferred commands that match, newest first."""
    selection, state, below, limit = asked.selection(), asked.state, asked.below, asked.limit
    reader = place_of(request).reader
    groups, rows = search(reader, DeferredCommand, selection, state=state, below=below, limit=limit)
    return DeferredPage(total(groups), groups, rows)


@router.get("/deferred/{number}")
def deferred_command(request: Request, number: Number) -> DeferredDetail:
    """Return one deferred command with its body."""
    found = detail(place_of(request).reader, DeferredDetail, number)
    return found_or_404(found, f"no deferred command has the number {number}")


@router.get("/audit")
def audit(request: Request, asked: Annotated[AuditQuery, Query()]) -> list[AuditEntry]:
    """Return what people did, newest first."""
    return newest_entries(place_of(request).reader, **asked.model_dump())


@router.get("/connections")
def connections(request: Request) -> ConnectionsReport:
    """Return who is connected, and who may still write directly."""
    return read_connections(place_of(request).reader)


@router.get("/drain")
async def drain(
    request: Request, target: str, seconds: Annotated[float, Query(ge=0, le=MAX_DRAIN_SECONDS)] = 20
) -> DrainAnswer:
    """Wait until the commands that a target has now are finished, at most ``seconds``; return how many are left."""
    state, deadline = shared_state(request), time.monotonic() + seconds
    begun = await run_in_threadpool(Drain, place_of(request).reader, state.settings, target)
    while (remaining := await run_in_threadpool(begun.remaining)) and time.monotonic() < deadline:
        await asyncio.sleep(DRAIN_INTERVAL_SECONDS)
    return DrainAnswer(not remaining, remaining)


@router.get("/jobs/{id}")
def job(request: Request, id: str) -> Job:  # noqa: A002  its name in the address
    """Return how far a replay, park or drop is."""
    found = shared_state(request).jobs.find(id)
    return found_or_404(found, "this job is not known here: see the audit for what was done")
