"""Who makes a request, and whether this very request is his own doing."""

from __future__ import annotations

import hmac
from base64 import b64decode
from dataclasses import dataclass
from typing import Annotated, Literal
from urllib.parse import urlsplit

from fastapi import Depends, HTTPException, Request, status

from writegate_console.users import User
from writegate_console.web.security.proxies import Visitor
from writegate_console.web.security.sessions import COOKIE
from writegate_console.web.state.state import State, state_of

CSRF_HEADER = "x-csrf-token"
CSRF_FIELD = "csrf"


class NotLoggedIn(Exception):
    """Nobody is logged in."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks. ``csrf``: what his forms carry; none where a browser sends nothing by itself."""

    user: User
    how: Literal["session", "proxy", "password"]
    csrf: str = ""


def visitor_of(request: Request) -> Visitor:
    """Return from where a request comes."""
    peer = request.client.host if request.client else ""
    return state_of(request).proxies.visitor(peer, request.url.scheme, dict(request.headers))


def viewer(request: Request) -> Viewer:
    """Return who looks at a page. Raises :class:`NotLoggedIn`."""
    found = _by_browser(request)
    if found is None:
        raise NotLoggedIn
    return found


def operator(request: Request) -> Viewer:
    """Return who acts on a page. Raises 403 for those who may only read."""
    return _operating(viewer(request))


def api_viewer(request: Request) -> Viewer:
    """Return who asks the API: by a browser's session, or with a password in each request. Raises 401 and 429."""
    found = _by_password(request) or _by_browser(request)
    if found is None:
        raise _unauthorized("log in, or send a name and a password (HTTP Basic)")
    return found


def api_operator(request: Request) -> Viewer:
    """Return who acts by the API. Raises 403; a browser has to prove that its own page asks."""
    found = _operating(api_viewer(request))
    if from_elsewhere(request):
        raise HTTPException(status.HTTP_403_FORBIDDEN, "another site asks for this")
    if found.how != "password" and not same(request.headers.get(CSRF_HEADER, ""), found.csrf):
        raise HTTPException(status.HTTP_403_FORBIDDEN, f"the header {CSRF_HEADER} is missing or wrong")
    return found


Looking = Annotated[Viewer, Depends(viewer)]
Operating = Annotated[Viewer, Depends(operator)]
ApiLooking = Annotated[Viewer, Depends(api_viewer)]
ApiOperating = Annotated[Viewer, Depends(api_operator)]


def same(given: str, expected: str) -> bool:
    """Compare secrets; nothing is never right."""
    return bool(expected) and hmac.compare_digest(given.encode(errors="replace"), expected.encode())


def from_elsewhere(request: Request) -> bool:
    """Whether a browser says that another site makes this request."""
    if (site := request.headers.get("sec-fetch-site")) is not None:
        return site not in {"same-origin", "none"}
    # Over plain http browsers say only from where.
    origin = request.headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != request.headers.get("host")


def log_in(state: State, address: str, name: str, password: str) -> User | float:
    """Return the user, or for how many seconds to wait: 0 when this was simply wrong.

    An attempt is counted before it is made: many at once get no further than one after the other.
    """
    keys = (f"user {name[:200]}", f"address {address}")
    if (seconds := state.throttle.wait_seconds(keys)) > 0:
        return seconds
    state.throttle.failed(keys)
    user = state.users.check(name, password)
    if user is None:
        return 0.0
    state.throttle.succeeded(keys)
    return user


def _by_browser(request: Request) -> Viewer | None:
    state = state_of(request)
    if (proxied := visitor_of(request).user) is not None:
        # No session: the proxy says it anew with each request. The token proves that a page of ours was read.
        csrf = hmac.new(state.secret, f"proxy {proxied.name}".encode(), "sha256").hexdigest()
        return Viewer(proxied, "proxy", csrf)
    session = state.sessions.find(request.cookies.get(COOKIE))
    if session is None:
        return None
    role = state.users.role(session.user.name)  # as it is now: who was removed is out
    return Viewer(User(session.user.name, role), "session", session.csrf) if role else None


def _by_password(request: Request) -> Viewer | None:
    given = _basic(request.headers.get("authorization", ""))
    if given is None:
        return None
    state = state_of(request)
    if (user := state.users.check_again(*given)) is not None:
        return Viewer(user, "password")
    found = log_in(state, visitor_of(request).address, *given)
    if isinstance(found, User):
        state.users.remember(*given)
        return Viewer(found, "password")
    if found > 0:
        seconds = str(int(found) + 1)
        raise HTTPException(
            status.HTTP_429_TOO_MANY_REQUESTS, f"too many failures: wait {seconds} s", {"Retry-After": seconds}
        )
    raise _unauthorized("wrong name or password")


def _basic(header: str) -> tuple[str, str] | None:
    scheme, _, value = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, colon, password = b64decode(value, validate=True).decode().partition(":")
    except ValueError:
        return None
    return (name, password) if colon else None


def _operating(found: Viewer) -> Viewer:
    if not found.user.operates:
        raise HTTPException(
            status.HTTP_403_FORBIDDEN, f"{found.user.name} may read, not act: that takes the role operator"
        )
    return found


def _unauthorized(detail: str) -> HTTPException:
    return HTTPException(status.HTTP_401_UNAUTHORIZED, detail, {"WWW-Authenticate": 'Basic realm="writegate"'})
