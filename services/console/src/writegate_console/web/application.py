"""The application: routes, headers, and what an error looks like."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import quote

from fastapi import FastAPI, HTTPException, Request, status
from fastapi.exception_handlers import http_exception_handler
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.requests import ClientDisconnect

from writegate.config import Settings
from writegate.errors import WritegateError
from writegate_console.gate.reader import DatabaseUnavailable, InvalidQuery
from writegate_console.web.routes import actions, drains, events, login, moves, pages, probes
from writegate_console.web.routes.api import acting, reading
from writegate_console.web.security.headers import SecurityHeaders
from writegate_console.web.security.identity import NotLoggedIn, Viewer, page_viewer
from writegate_console.web.security.proxies import Proxies
from writegate_console.web.state.passwords import RETRY_AFTER_SECONDS, TooManyLogins
from writegate_console.web.state.shared import SendOperation, SharedState
from writegate_console.web.state.streams import TooManyStreams
from writegate_console.web.views.rendering import STATIC, page

_API = "/api/"
_TITLES = {
    400: "Not possible",
    403: "Not allowed",
    404: "Not found",
    409: "Not done",
    413: "Too large",
    429: "Too many at once",
    503: "Not available now",
}


def application(settings: Settings, operate: SendOperation) -> FastAPI:
    """Return the application. Nothing is connected before the first request."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        app.state.shared.close()

    app = FastAPI(
        title="Writegate console",
        version="1",
        description="What the console's pages show and do. Log in with HTTP Basic, or use a browser's session.",
        lifespan=lifespan,
        docs_url=None,  # its page loads scripts from another site
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
        max_body_size=settings.http_body_bytes,
    )
    app.state.shared = SharedState(settings, operate)
    app.state.proxies = Proxies(settings)
    for part in (probes, login, pages, actions, moves, drains, events, reading, acting):
        app.include_router(part.router)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    app.add_middleware(SecurityHeaders, proxies=app.state.proxies)
    app.add_exception_handler(NotLoggedIn, _ask_to_log_in)
    app.add_exception_handler(StarletteHTTPException, _on_http_error)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(WritegateError, _on_failure)
    app.add_exception_handler(TooManyLogins, _on_too_many_logins)
    app.add_exception_handler(ClientDisconnect, _on_disconnect)
    return app


async def _ask_to_log_in(request: Request, error: Exception) -> Response:
    del error
    if request.method != "GET" or request.url.path.endswith("/events"):
        return JSONResponse({"detail": "nobody is logged in"}, status.HTTP_401_UNAUTHORIZED)
    wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse(f"/login?next={quote(wanted, safe='')}", status.HTTP_303_SEE_OTHER)


async def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, StarletteHTTPException)  # noqa: S101  registered for this class only
    if request.url.path.startswith(_API):
        return await http_exception_handler(request, HTTPException(error.status_code, error.detail, error.headers))
    return _error_page(request, error.status_code, str(error.detail))


async def _on_invalid_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101  registered for this class only
    if request.url.path.startswith(_API):
        # Without what came, which may be NaN: no JSON has that.
        wrong = [{name: part[name] for name in ("type", "loc", "msg")} for part in error.errors()]
        return JSONResponse({"detail": wrong}, status.HTTP_422_UNPROCESSABLE_CONTENT)
    first = error.errors()[0]
    return _error_page(request, status.HTTP_400_BAD_REQUEST, f"{first['loc'][-1]}: {first['msg']}")


async def _on_disconnect(_: Request, error: Exception) -> Response:
    del error  # nobody reads the answer, but the log needs no traceback
    return Response(status_code=status.HTTP_400_BAD_REQUEST)


async def _on_failure(request: Request, error: Exception) -> Response:
    code = status.HTTP_409_CONFLICT
    if isinstance(error, DatabaseUnavailable):
        code = status.HTTP_503_SERVICE_UNAVAILABLE
    elif isinstance(error, TooManyStreams):
        code = status.HTTP_429_TOO_MANY_REQUESTS
    elif isinstance(error, InvalidQuery):
        code = status.HTTP_400_BAD_REQUEST
    if request.url.path.startswith(_API):
        return JSONResponse({"detail": str(error)}, code)
    return _error_page(request, code, str(error))


async def _on_too_many_logins(request: Request, error: Exception) -> Response:
    """Answer without a page: there may be hundreds at once."""
    code, headers = status.HTTP_503_SERVICE_UNAVAILABLE, {"Retry-After": str(RETRY_AFTER_SECONDS)}
    if request.url.path.startswith(_API):
        return JSONResponse({"detail": str(error)}, code, headers)
    return PlainTextResponse(str(error), code, headers)


def _error_page(request: Request, code: int, text: str) -> Response:
    title = _TITLES.get(code, "Not done")
    return page(request, "error.html", _viewer_if_any(request), code, title=title, text=text)


def _viewer_if_any(request: Request) -> Viewer | None:
    try:
        return page_viewer(request)
    except NotLoggedIn:
        return None
