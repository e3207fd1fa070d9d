"""What every answer tells a browser: to run nothing that is not ours, and to show this in no other page."""

from __future__ import annotations

from http import HTTPStatus

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from writegate_console.web.security.proxies import Proxies

# Styles and scripts are files of ours; nothing is inline, so what somebody wrote into a command can be neither.
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
    "Referrer-Policy": "same-origin",  # with none at all, forms would be sent as from nowhere
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_YEAR_SECONDS = 365 * 86_400


class Headers:
    """Adds them to every answer."""

    def __init__(self, app: ASGIApp, proxies: Proxies) -> None:
        self._app = app
        self._proxies = proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the application does."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def adding(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _ALWAYS.items():
                    headers[name] = value
                # A file of ours is asked for under another address when it changed.
                keep = scope["path"].startswith("/static/") and message["status"] == HTTPStatus.OK
                headers.setdefault("Cache-Control", f"max-age={_YEAR_SECONDS}, immutable" if keep else "no-store")
                if self._https(scope):
                    headers["Strict-Transport-Security"] = f"max-age={_YEAR_SECONDS}"
            await send(message)

        await self._app(scope, receive, adding)

    def _https(self, scope: Scope) -> bool:
        peer = (scope.get("client") or ("", 0))[0]
        given = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        return self._proxies.visitor(peer, scope.get("scheme", "http"), given).https
