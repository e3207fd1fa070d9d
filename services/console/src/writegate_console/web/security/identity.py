"""Who makes a request: the dependencies that routes name."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from fastapi import Depends, HTTPException, Request, Response, Security, status
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from fastapi.security import HTTPBasicCredentials
from pydantic import ValidationError

from writegate_console.users import User
from writegate_console.web.security.basic import basic
from writegate_console.web.security.csrf import CSRF_HEADER, is_cross_site, same_secret
from writegate_console.web.security.login import try_login
from writegate_console.web.security.proxies import Proxies, Visitor
from writegate_console.web.state.shared import shared_state

SESSION_COOKIE = "writegate-session"


class NotLoggedIn(Exception):
    """Nobody is logged in."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who makes a request.

    ``csrf``: the token in their forms; empty for ``how="password"``, since a browser sends no password by itself.
    """

    user: User
    how: Literal["session", "proxy", "password"]
    csrf: str = field(default="", repr=False)


def visitor_of(request: Request) -> Visitor:
    """Return where a request comes from."""
    peer = request.client.host if request.client else ""
    proxies: Proxies = request.app.state.proxies
    return proxies.visitor(peer, request.url.scheme, dict(request.headers))


def page_viewer(request: Request) -> Viewer:
    """Return who asks for a page; :func:`place_of` goes by their role. Raises :class:`NotLoggedIn`."""
    found = _browser_viewer(request)
    if found is None:
        raise NotLoggedIn
    request.state.role = found.user.role
    return found


def page_operator(request: Request) -> Viewer:
    """Return who acts on a page. Raises :class:`NotLoggedIn`, and 403 for users who may only read."""
    return _require_operator(page_viewer(request))


Credentials = Annotated[HTTPBasicCredentials | None, Security(basic)]


async def api_viewer(request: Request, credentials: Credentials) -> Viewer:
    """Return who calls the API: with a password in the request, or by a browser's session. Raises 401 and 429."""
    found = _browser_viewer(request) if credentials is None else await _password_viewer(request, credentials)
    if found is None:
        raise basic.unauthorized("log in, or send a name and a password (HTTP Basic)")
    request.state.role = found.user.role
    return found


def api_operator(request: Request, viewer: Annotated[Viewer, Depends(api_viewer)]) -> Viewer:
    """Return who acts by the API. Raises 403, also when a browser does not prove that our own page sends the call."""
    found = _require_operator(viewer)
    if is_cross_site(request):
        raise HTTPException(status.HTTP_403_FORBIDDEN, "another site sent this request")
    if found.how != "password" and not same_secret(request.headers.get(CSRF_HEADER, ""), found.csrf):
        raise HTTPException(status.HTTP_403_FORBIDDEN, f"the header {CSRF_HEADER} is missing or wrong")
    return found


class OperatorsRoute(APIRoute):
    """A route of operators' that asks who calls before it reads the body. FastAPI reads and parses it first.

    What is right by itself may be too much for the operation that is made of it: that is the caller's mistake as well.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers a request."""
        answer = super().get_route_handler()

        async def answer_operators(request: Request) -> Response:
            credentials = await basic(request)
            api_operator(request, await api_viewer(request, credentials))
            try:
                return await answer(request)
            except ValidationError as error:
                raise RequestValidationError(error.errors()) from error

        return answer_operators


PageViewer = Annotated[Viewer, Depends(page_viewer)]
PageOperator = Annotated[Viewer, Depends(page_operator)]
ApiViewer = Annotated[Viewer, Depends(api_viewer)]
ApiOperator = Annotated[Viewer, Depends(api_operator)]


def _browser_viewer(request: Request) -> Viewer | None:
    state = shared_state(request)
    if (user := visitor_of(request).user) is not None:
        # The proxy names the user in each request, so there is no session. The token proves that the sender has read
        # a page of ours.
        csrf = hmac.new(state.secret, f"proxy {user.name}".encode(), "sha256").hexdigest()
        return Viewer(user, "proxy", csrf)
    session = state.sessions.find(request.cookies.get(SESSION_COOKIE))
    if session is None:
        return None
    role = state.users.role(session.user.name)  # the role of now: a user who was removed is logged out
    return Viewer(User(session.user.name, role), "session", session.csrf) if role else None


async def _password_viewer(request: Request, credentials: HTTPBasicCredentials) -> Viewer:
    state, name, password = shared_state(request), credentials.username, credentials.password
    if (user := state.users.check_again(name, password)) is not None:
        return Viewer(user, "password")
    found = await try_login(state, visitor_of(request).address, name, password)
    if isinstance(found, User):
        state.users.remember(name, password)
        return Viewer(found, "password")
    if found > 0:
        seconds = str(int(found) + 1)
        raise HTTPException(
            status.HTTP_429_TOO_MANY_REQUESTS, f"too many failures: wait {seconds} s", {"Retry-After": seconds}
        )
    raise basic.unauthorized("wrong name or password")


def _require_operator(found: Viewer) -> Viewer:
    if not found.user.operates:
        raise HTTPException(
            status.HTTP_403_FORBIDDEN, f"{found.user.name} may read, not act: that takes the role operator"
        )
    return found
