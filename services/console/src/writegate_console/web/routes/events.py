"""What changes on an open page, as server-sent events: parts of the page as HTML."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from contextlib import suppress
from typing import Any, Literal

from fastapi import APIRouter, Depends, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.sse import EventSourceResponse, ServerSentEvent

from writegate.errors import WritegateError
from writegate_console.gate.history import Period
from writegate_console.web.routes.pages import PeriodQuery
from writegate_console.web.security.identity import NotLoggedIn, PageViewer, Viewer, page_viewer
from writegate_console.web.state.live import Snapshot
from writegate_console.web.state.shared import place_of, shared_state
from writegate_console.web.views.charts import charts_of
from writegate_console.web.views.rendering import part

router = APIRouter(include_in_schema=False)

INTERVAL_SECONDS = 0.5
# An event at least this often, also when nothing changed: a page without one for five seconds calls itself stale.
KEEP_ALIVE_SECONDS = 2.0
RETRY_MILLIS = 2000  # how soon a browser connects again
_PARTS = ("headline", "services", "attention", "sessions", "audit")  # and the charts


async def has_place(request: Request, viewer: PageViewer) -> AsyncIterator[None]:
    """Have a place among the user's streams until this one has ended. Raises :class:`TooManyStreams`."""
    with shared_state(request).streams.place_of(viewer.user.name):
        yield


@router.get("/events", response_class=EventSourceResponse, dependencies=[Depends(has_place)])
async def events(
    request: Request, viewer: PageViewer, period: PeriodQuery = "15m", only: Literal["", "banner"] = ""
) -> AsyncIterable[ServerSentEvent]:
    """Follow the first page; with ``only``, as other pages do, only what does not answer."""
    state = shared_state(request)
    sent: dict[str, str] = {}
    previous: tuple[int, bool] | None = None
    since_event_seconds = 0.0
    yield ServerSentEvent(retry=RETRY_MILLIS)
    while not state.live.closed and await run_in_threadpool(is_logged_in, request):
        snapshot = state.live.latest()
        current = (snapshot.number, snapshot.database is None)
        if current != previous or since_event_seconds >= KEEP_ALIVE_SECONDS:
            parts = await run_in_threadpool(render_parts, request, snapshot, None if only else period, viewer)
            changed = {name: text for name, text in parts.items() if sent.get(name) != _text_digest(text)}
            sent |= {name: _text_digest(text) for name, text in changed.items()}
            yield parts_event(changed, snapshot)
            previous, since_event_seconds = current, 0.0
        await asyncio.sleep(INTERVAL_SECONDS)
        since_event_seconds += INTERVAL_SECONDS


def parts_event(parts: Mapping[str, str], snapshot: Snapshot) -> ServerSentEvent:
    """Return the event that brings parts of a page, by name, and the age of what they show."""
    return ServerSentEvent(data={"parts": parts, "age": round(snapshot.age_seconds, 1)})


def is_logged_in(request: Request) -> bool:
    """Whether the user of an open stream is still logged in."""
    try:
        page_viewer(request)
    except NotLoggedIn:
        return False
    return True


def render_parts(request: Request, snapshot: Snapshot, period: Period | None, viewer: Viewer) -> Mapping[str, str]:
    """Return the parts of the first page that change, as HTML; without a period, only what does not answer."""
    parts = {"banner": part("parts/banner.html", snapshot=snapshot)}
    if period is None or snapshot.overview is None or snapshot.database is not None:
        return parts
    context: dict[str, Any] = {"overview": snapshot.overview, "period": period, "viewer": viewer}
    with suppress(WritegateError):  # a slow search of others keeps the charts, and nothing else, as they are
        charts = charts_of(shared_state(request), place_of(request), period)
        parts["charts"] = part("parts/charts.html", charts=charts, **context)
    return parts | {name: part(f"parts/{name}.html", **context) for name in _PARTS}


def _text_digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
