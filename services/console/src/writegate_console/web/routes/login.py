"""Logging in and out."""

from __future__ import annotations

import math
from urllib.parse import urlsplit

from fastapi import APIRouter, Request, status
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from writegate_console.users import User
from writegate_console.web.security.identity import CSRF_FIELD, log_in, same, visitor_of
from writegate_console.web.security.sessions import COOKIE, LONGEST_SECONDS
from writegate_console.web.state.state import state_of
from writegate_console.web.views.forms import PlainForm
from writegate_console.web.views.rendering import page

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/login")
def show(request: Request, next: str = "/") -> Response:  # noqa: A002  its name in the address
    """The log-in."""
    if visitor_of(request).user is not None:
        return RedirectResponse(_local(next), status.HTTP_303_SEE_OTHER)
    return page(request, "login.html", None, next=_local(next), name="", problem=None)


@router.post("/login")
def enter(request: Request, form: PlainForm) -> Response:
    """Log in. The answer to a wrong name is that to a wrong password."""
    state, visitor = state_of(request), visitor_of(request)
    name, target = form.text("name"), _local(form.raw("next"))
    found = log_in(state, visitor.address, name, form.raw("password"))
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
        COOKIE,
        state.sessions.begin(found),
        max_age=int(LONGEST_SECONDS),
        httponly=True,
        secure=visitor.https,
        samesite="strict",
    )
    return done


@router.post("/logout")
def leave(request: Request, form: PlainForm) -> Response:
    """Log out."""
    state = state_of(request)
    token = request.cookies.get(COOKIE)
    session = state.sessions.find(token)
    if session is not None and same(form.raw(CSRF_FIELD), session.csrf):
        state.sessions.end(token)
    done = RedirectResponse("/login", status.HTTP_303_SEE_OTHER)
    done.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return done


def _local(path: str) -> str:
    """Return a path of this site: nobody is sent elsewhere by a link to the log-in."""
    parts = urlsplit(path.replace("\\", "/"))
    return path if path.startswith("/") and not path.startswith("//") and not (parts.scheme or parts.netloc) else "/"
