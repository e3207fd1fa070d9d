"""Headers on every answer: browsers may run only our own files, and embed our pages nowhere."""

from __future__ import annotations

from http import HTTPStatus

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from writegate_console.web.security.proxies import Proxies

# Styles and scripts are our own files and never inline, so that text in a command can be neither.
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
_ALWAYS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with no-referrer, browsers would send forms with the origin null
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_YEAR_SECONDS = 365 * 86_400


class SecurityHeaders:
    """ASGI middleware that adds the headers to every answer."""

    def __init__(self, app: ASGIApp, proxies: Proxies) -> None:
        self._app = app
        self._proxies = proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the application does, with more headers."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _ALWAYS.items():
                    headers[name] = value
                # Pages name our files with a digest of their contents: a file that changed has another address.
                keep = scope["path"].startswith("/static/") and message["status"] == HTTPStatus.OK
                headers["Cache-Control"] = f"max-age={_YEAR_SECONDS}, immutable" if keep else "no-store"
                if self._https(scope):
                    headers["Strict-Transport-Security"] = f"max-age={_YEAR_SECONDS}"
            await send(message)

        await self._app(scope, receive, send_with_headers)

    def _https(self, scope: Scope) -> bool:
        peer = (scope.get("client") or ("", 0))[0]
        given = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        return self._proxies.visitor(peer, scope.get("scheme", "http"), given).https
