"""Logging in and out."""

from __future__ import annotations

import math
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Request, status
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from writegate_console.users import User
from writegate_console.web.security.csrf import CSRF_FIELD, same_secret
from writegate_console.web.security.identity import SESSION_COOKIE, visitor_of
from writegate_console.web.security.login import network_of, try_login
from writegate_console.web.state.sessions import MAX_SECONDS
from writegate_console.web.state.shared import shared_state
from writegate_console.web.views.forms import SentForm
from writegate_console.web.views.rendering import page

MAX_LOGIN_BYTES = 32 * 1024  # anybody may send these forms: the longest name and password, each character as twelve

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/login")
async def show_login(request: Request, next: str = "/") -> Response:  # noqa: A002  its name in the address
    """Show the log-in page."""
    if visitor_of(request).user is not None:
        return RedirectResponse(_local_path(next), status.HTTP_303_SEE_OTHER)
    return page(request, "login.html", None, next=_local_path(next), name="", problem=None)


async def has_place(request: Request) -> None:
    """Refuse a log-in before its form is read when no place is free: many at once are to cost little."""
    shared_state(request).passwords.refuse_when_full(network_of(visitor_of(request).address))


@router.post("/login", max_body_size=MAX_LOGIN_BYTES, dependencies=[Depends(has_place)])
async def log_in(request: Request, form: SentForm) -> Response:
    """Log in. A wrong name and a wrong password have the same answer."""
    state, visitor = shared_state(request), visitor_of(request)
    name, target = form.text("name"), _local_path(form.raw("next"))
    found = await try_login(state, visitor.address, name, form.raw("password"))
    if not isinstance(found, User):
        wait = math.ceil(found)
        problem = f"Too many failures: wait {wait} s, then try again." if wait else "Wrong name or password."
        code = status.HTTP_429_TOO_MANY_REQUESTS if wait else status.HTTP_401_UNAUTHORIZED
        answer = page(request, "login.html", None, code, next=target, name=name, problem=problem)
        if wait:
            answer.headers["Retry-After"] = str(wait)
        return answer
    done = RedirectResponse(target, status.HTTP_303_SEE_OTHER)
    done.set_cookie(
        SESSION_COOKIE,
        state.sessions.begin(found),
        max_age=int(MAX_SECONDS),
        httponly=True,
        secure=visitor.https,
        samesite="strict",
    )
    return done


@router.post("/logout", max_body_size=MAX_LOGIN_BYTES)
def log_out(request: Request, form: SentForm) -> Response:
    """Log out. Without the token of the session nothing ends: another site can log nobody out."""
    state = shared_state(request)
    token = request.cookies.get(SESSION_COOKIE)
    session = state.sessions.find(token)
    if session is not None and same_secret(form.raw(CSRF_FIELD), session.csrf):
        state.sessions.end(token)
    done = RedirectResponse("/login", status.HTTP_303_SEE_OTHER)
    done.delete_cookie(SESSION_COOKIE, httponly=True, samesite="strict")
    return done


def _local_path(path: str) -> str:
    """Return a path of this site, ``/`` for any other: a link to the log-in cannot lead to another site."""
    try:
        parts = urlsplit(path.replace("\\", "/"))
    except ValueError:  # such as for an address that begins with "//["
        return "/"
    return path if path.startswith("/") and not path.startswith("//") and not (parts.scheme or parts.netloc) else "/"
