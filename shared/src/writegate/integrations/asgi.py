"""ASGI: bodies have a limit, for applications that have none themselves: Django writes them to a file, however large.

::

    application = LimitedBodies(get_asgi_application())
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from writegate.integrations import requests
from writegate.integrations.http import body_too_large

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
# Its first argument is the scope, the others are as above: frameworks type them differently.
Application = Callable[[Any, Any, Any], Awaitable[None]]


class LimitedBodies:
    """Middleware that answers 413 to a body of more than ``WRITEGATE_HTTP_BODY_BYTES``, before more of it is read."""

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer as the application does, or refuse the body: for the application its client is gone then."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        limit_bytes = requests.body_limit_bytes()
        if _length(scope) > limit_bytes:
            await _refuse(send, limit_bytes)
            return
        read_bytes, started = 0, False

        async def receive_some() -> Message:
            nonlocal read_bytes
            message = await receive()
            read_bytes += len(message.get("body", b""))
            return {"type": "http.disconnect"} if read_bytes > limit_bytes else message

        async def send_unless_refused(message: Message) -> None:
            nonlocal started
            if read_bytes <= limit_bytes:
                started = True
                await send(message)

        await self._application(scope, receive_some, send_unless_refused)
        if read_bytes > limit_bytes and not started:
            await _refuse(send, limit_bytes)


def _length(scope: Message) -> int:
    text: bytes = dict(scope["headers"]).get(b"content-length", b"")
    return int(text) if text.isdigit() else 0


async def _refuse(send: Send, limit_bytes: int) -> None:
    answer = body_too_large(limit_bytes)
    await send(
        {"type": "http.response.start", "status": answer.status, "headers": [(b"content-type", b"application/json")]}
    )
    await send({"type": "http.response.body", "body": answer.json()})
