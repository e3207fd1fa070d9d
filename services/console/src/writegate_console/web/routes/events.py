"""What changes on an open page, as server-sent events."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, StreamingResponse
from starlette.concurrency import run_in_threadpool

from writegate.errors import WritegateError
from writegate_console.gate.drain.look import drain_look
from writegate_console.gate.history import Period
from writegate_console.gate.targets import find
from writegate_console.web.routes.pages import AskedPeriod, charts_of
from writegate_console.web.security.identity import Looking, NotLoggedIn, Viewer, viewer
from writegate_console.web.state.live import Seen
from writegate_console.web.state.state import State, state_of
from writegate_console.web.views.rendering import page, part

router = APIRouter(include_in_schema=False)

LOOK_SECONDS = 0.5
# Says that all is well when nothing changed; pages call themselves stale after five seconds without a word.
BEAT_SECONDS = 2.0
DRAIN_SECONDS = 1.0
_PARTS = ("headline", "charts", "services", "attention", "sessions", "acts")
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


@router.get("/events")
async def events(
    request: Request, looking: Looking, period: AskedPeriod = "15m", only: Literal["", "banner"] = ""
) -> StreamingResponse:
    """Follow the first page, or, as other pages do, only what is away."""
    looked_at = None if only else period
    return StreamingResponse(_events(request, looking, looked_at), media_type="text/event-stream", headers=_HEADERS)


async def _events(request: Request, looking: Viewer, period: Period | None) -> AsyncIterator[str]:
    state = state_of(request)
    sent: dict[str, str] = {}
    told: tuple[int, bool] | None = None
    waited = 0.0
    yield "retry: 2000\n\n"
    while not state.live.closed and await run_in_threadpool(_still, request):
        seen = state.live.newest()
        now = (seen.number, seen.database is None)
        if now != told or waited >= BEAT_SECONDS:
            parts = await run_in_threadpool(parts_of, state, seen, period, looking)
            changed = {name: text for name, text in parts.items() if sent.get(name) != _digest(text)}
            sent |= {name: _digest(text) for name, text in changed.items()}
            yield f"data: {json.dumps({'parts': changed, 'age': round(seen.age_seconds, 1)})}\n\n"
            told, waited = now, 0.0
        await asyncio.sleep(LOOK_SECONDS)
        waited += LOOK_SECONDS


@router.get("/drain")
def drain(request: Request, viewer: Looking, target: str = "") -> HTMLResponse:
    """Watch how what was accepted until now is decided."""
    found = str(find(state_of(request).reader, [target.strip()]))
    return page(request, "drain.html", viewer, target=found, left=None)


@router.get("/drain/events")
async def drain_events(request: Request, looking: Looking, target: str) -> StreamingResponse:
    """Follow a drain from now on."""
    del looking
    return StreamingResponse(_drain_events(request, target), media_type="text/event-stream", headers=_HEADERS)


async def _drain_events(request: Request, target: str) -> AsyncIterator[str]:
    state = state_of(request)
    look: Callable[[], Mapping[str, int]] | None = None
    while not state.live.closed and await run_in_threadpool(_still, request):
        seen = state.live.newest()
        parts = {"banner": part("parts/banner.html", seen=seen)}
        try:
            if look is None:
                look = await run_in_threadpool(drain_look, state.reader, state.settings, target)
            left = await run_in_threadpool(look)
        except WritegateError:
            left = None  # the banner says why
        else:
            parts["left"] = part("parts/left.html", left=left)
        yield f"data: {json.dumps({'parts': parts, 'age': round(seen.age_seconds, 1)})}\n\n"
        await asyncio.sleep(DRAIN_SECONDS)


def _still(request: Request) -> bool:
    """Whether whoever follows is logged in still."""
    try:
        viewer(request)
    except NotLoggedIn:
        return False
    return True


def parts_of(state: State, seen: Seen, period: Period | None, looking: Viewer) -> Mapping[str, str]:
    """Return the parts of the first page that change, as HTML; without a period, what is away."""
    parts = {"banner": part("parts/banner.html", seen=seen)}
    if period is None or seen.overview is None or seen.database is not None:
        return parts
    try:
        charts = charts_of(state, period)
    except WritegateError:
        return parts
    context: dict[str, Any] = {"seen": seen, "overview": seen.overview, "charts": charts, "period": period}
    return parts | {name: part(f"parts/{name}.html", viewer=looking, **context) for name in _PARTS}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
