"""Watching a drain: the page, and its events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable

from fastapi import APIRouter, Depends, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent

from writegate.errors import WritegateError
from writegate_console.gate.broker import PAGE_TIMEOUT_SECONDS
from writegate_console.gate.drain.drain import Drain, Remaining
from writegate_console.gate.targets import find_target
from writegate_console.web.routes.events import has_place, is_logged_in, parts_event
from writegate_console.web.security.identity import PageViewer
from writegate_console.web.state.shared import place_of, shared_state
from writegate_console.web.views.rendering import page, part

router = APIRouter(include_in_schema=False)

INTERVAL_SECONDS = 1.0


@router.get("/drain")
def show_drain(request: Request, viewer: PageViewer, target: str = "") -> HTMLResponse:
    """Watch how the commands that were accepted until now are finished."""
    found = str(find_target(place_of(request).reader, [target.strip()]))
    return page(request, "drain.html", viewer, target=found, remaining=None)


@router.get("/drain/events", response_class=EventSourceResponse, dependencies=[Depends(has_place)])
async def drain_events(request: Request, viewer: PageViewer, target: str) -> AsyncIterable[ServerSentEvent]:
    """Follow a drain that begins now."""
    del viewer
    state = shared_state(request)
    drain: Drain | None = None
    while not state.live.closed and await run_in_threadpool(is_logged_in, request):
        snapshot = state.live.latest()
        parts = {"banner": part("parts/banner.html", snapshot=snapshot)}
        remaining: Remaining | None = None
        try:
            if drain is None:
                reader = place_of(request).reader
                drain = await run_in_threadpool(Drain, reader, state.settings, target, PAGE_TIMEOUT_SECONDS)
            remaining = await run_in_threadpool(drain.remaining)
        except WritegateError:
            pass  # the banner shows why
        else:
            parts["remaining"] = part("parts/remaining.html", remaining=remaining)
        yield parts_event(parts, snapshot)
        await asyncio.sleep(INTERVAL_SECONDS)
