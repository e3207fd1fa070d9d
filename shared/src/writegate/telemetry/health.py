"""``/livez``, ``/readyz`` and ``/metrics`` of a process without a web framework: writers and followers of a feed.

Answered from inside the process: `celery inspect ping` says the wrong thing under load (celery#4079).
"""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http import HTTPStatus

CONNECTIONS = 64
"""Connections at a time. One more ends the oldest that has not sent its request yet: a probe sends its own at once."""

THREADS = 2
"""Pages made at a time, but for ``/livez``, which needs no thread: it answers while another page is stuck."""

REQUEST_SECONDS = 2.0
"""From the connection to the end of its request, however many parts it comes in."""

_PAGE_SECONDS = 10.0  # to make and send a page
_REQUEST_BYTES = 8 * 1024
_BACKLOG = 128

_Page = tuple[HTTPStatus, bytes, str]
_UNKNOWN = {"error": "expected /livez, /readyz or, where it is switched on, /metrics"}


class HealthServer:
    """Serves three pages on a thread of its own.

    ``ready`` returns whether the process is ready, and what ``/readyz`` shows; ``metrics`` returns a page and its
    content type, or None without one. Both are called on threads of the server's. Raises :class:`OSError` when the port
    is taken.
    """

    def __init__(
        self,
        address: tuple[str, int],
        ready: Callable[[], tuple[bool, Mapping[str, object]]],
        metrics: Callable[[], tuple[bytes, str] | None],
    ) -> None:
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._socket = socket.create_server(address, family=family, backlog=_BACKLOG)
        self._port = int(self._socket.getsockname()[1])
        self._ready = ready
        self._metrics = metrics
        self._thread = threading.Thread(target=self._run, name="writegate-health", daemon=True)
        # On the server's thread only, oldest first.
        self._reading: dict[asyncio.StreamWriter, None] = {}

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._port

    def start(self) -> None:
        """Answer from now on."""
        self._loop, self._stopping = asyncio.new_event_loop(), asyncio.Event()
        self._thread.start()

    def stop(self, deadline: float) -> None:
        """Close the port, by ``deadline`` of :func:`time.monotonic`. Requests that are being answered are not awaited.

        Harmless when repeated, or when it was never started.
        """
        if self._thread.is_alive():
            with suppress(RuntimeError):  # it has just ended
                self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(max(0.0, deadline - time.monotonic()))
        self._socket.close()

    def _run(self) -> None:
        # Not the loop's own executor: ending the loop would wait for a page that is stuck.
        self._makers = ThreadPoolExecutor(THREADS, thread_name_prefix="writegate-health-page")
        try:
            self._loop.run_until_complete(self._listen())
        finally:
            self._loop.run_until_complete(_end_others())
            self._makers.shutdown(wait=False, cancel_futures=True)
            self._loop.close()

    async def _listen(self) -> None:
        server = await asyncio.start_server(self._serve, sock=self._socket, limit=_REQUEST_BYTES, backlog=_BACKLOG)
        await self._stopping.wait()
        server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._reading) >= CONNECTIONS:
            oldest = next(iter(self._reading))
            del self._reading[oldest]
            oldest.transport.abort()
        self._reading[writer] = None
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
            self._reading.pop(writer, None)
            async with asyncio.timeout(_PAGE_SECONDS):
                writer.write(_response(*await self._page(head)))
                await writer.drain()
                writer.close()
                await writer.wait_closed()
        except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
            pass
        finally:
            writer.transport.abort()  # nothing happens when it is closed
            self._reading.pop(writer, None)

    async def _page(self, head: bytes) -> _Page:
        method, _, rest = head.partition(b" ")
        path = rest.partition(b" ")[0].partition(b"?")[0]
        if method != b"GET":
            return _json(HTTPStatus.METHOD_NOT_ALLOWED, {"error": "expected GET"})
        if path == b"/livez":
            return _json(HTTPStatus.OK, {"live": True})
        if path == b"/readyz":
            is_ready, state = await self._loop.run_in_executor(self._makers, self._ready)
            return _json(HTTPStatus.OK if is_ready else HTTPStatus.SERVICE_UNAVAILABLE, state)
        if path == b"/metrics" and (page := await self._loop.run_in_executor(self._makers, self._metrics)):
            return HTTPStatus.OK, *page
        return _json(HTTPStatus.NOT_FOUND, _UNKNOWN)


async def _end_others() -> None:
    for _ in range(5):  # asyncio takes so many steps from a connection that was just accepted to our task for it
        await asyncio.sleep(0)
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await asyncio.sleep(0)  # sockets that were closed just now are closed by the loop's next step


def _json(status: HTTPStatus, body: Mapping[str, object]) -> _Page:
    return status, json.dumps(body).encode(), "application/json"


def _response(status: HTTPStatus, body: bytes, content_type: str) -> bytes:
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
