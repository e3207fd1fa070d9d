"""The application: routes, headers, and what an error looks like."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import quote

from fastapi import FastAPI, HTTPException, Request, status
from fastapi.exception_handlers import http_exception_handler, request_validation_exception_handler
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException as StarletteHTTPException

from writegate.config import Settings
from writegate.errors import WritegateError
from writegate_console.gate.reader import BadQuestion, DatabaseAway
from writegate_console.web.routes import actions, api, events, login, pages, probes
from writegate_console.web.security.headers import Headers
from writegate_console.web.security.identity import NotLoggedIn, Viewer, viewer
from writegate_console.web.state.state import Operate, State
from writegate_console.web.views.rendering import STATIC, page

_API = "/api/"
_TITLES = {400: "That cannot be", 403: "Not allowed", 404: "Not found", 409: "Not done", 503: "Not now"}


def application(settings: Settings, operate: Operate) -> FastAPI:
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
        docs_url=None,  # its page loads scripts from elsewhere
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
    )
    app.state.shared = State(settings, operate)
    for part in (probes, login, pages, actions, events, api):
        app.include_router(part.router)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    app.add_middleware(Headers, proxies=app.state.shared.proxies)
    app.add_exception_handler(NotLoggedIn, _log_in)
    app.add_exception_handler(StarletteHTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _not_understood)
    app.add_exception_handler(WritegateError, _failed)
    return app


def _log_in(request: Request, error: Exception) -> Response:
    del error
    if request.method != "GET" or request.url.path == "/events":
        return JSONResponse({"detail": "nobody is logged in"}, status.HTTP_401_UNAUTHORIZED)
    wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse(f"/login?next={quote(wanted, safe='')}", status.HTTP_303_SEE_OTHER)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, StarletteHTTPException)  # noqa: S101  this handler is for those
    if request.url.path.startswith(_API):
        return await http_exception_handler(request, HTTPException(error.status_code, error.detail, error.headers))
    return _page(request, error.status_code, str(error.detail))


async def _not_understood(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101  this handler is for those
    if request.url.path.startswith(_API):
        return await request_validation_exception_handler(request, error)
    first = error.errors()[0]
    return _page(request, status.HTTP_400_BAD_REQUEST, f"{first['loc'][-1]}: {first['msg']}")


def _failed(request: Request, error: Exception) -> Response:
    code = status.HTTP_409_CONFLICT
    if isinstance(error, DatabaseAway):
        code = status.HTTP_503_SERVICE_UNAVAILABLE
    elif isinstance(error, BadQuestion):
        code = status.HTTP_400_BAD_REQUEST
    if request.url.path.startswith(_API):
        return JSONResponse({"detail": str(error)}, code)
    return _page(request, code, str(error))


def _page(request: Request, code: int, text: str) -> Response:
    return page(request, "error.html", _whoever(request), code, title=_TITLES.get(code, "Not done"), text=text)


def _whoever(request: Request) -> Viewer | None:
    try:
        return viewer(request)
    except NotLoggedIn:
        return None
