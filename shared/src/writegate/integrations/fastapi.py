"""FastAPI: a lifespan, routes for receipts and health, and an answer for each posted command.

::

    app = FastAPI(lifespan=lifespan, exception_handlers=exception_handlers)
    app.include_router(router(flights))  # GET /receipts/{command_id}, /livez, /readyz, /metrics

    @app.post("/departures", **takes(RecordDeparture))
    async def record_departure(request: Request) -> Response:
        return await respond(request, RecordDeparture)

Other routes get the publisher as ``publisher: PublisherDep``. The exception handlers answer what it raises.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request, Response
from starlette.requests import ClientDisconnect

from writegate.contract.command import Command
from writegate.contract.service import Service
from writegate.errors import PublishError
from writegate.integrations import requests
from writegate.integrations.http import Answer, body_too_large, refused
from writegate.publishing import Publisher, process


async def _publisher() -> Publisher:
    return process.publisher()


PublisherDep = Annotated[Publisher, Depends(_publisher)]


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Make the publisher of this process when the application starts, and close it when the application ends.

    A wrong setting prevents the start: it raises :class:`~writegate.errors.SettingsError`.
    """
    process.publisher()
    yield
    await to_thread.run_sync(process.close)  # in a thread, because it waits for outstanding confirms


async def respond(request: Request, kind: type[Command], **path: Any) -> Response:
    """Publish the command in a request's body and answer as :mod:`writegate.integrations.http` describes.

    ``path`` are fields from the request's path, such as ``account=account``.
    """
    limit_bytes = requests.body_limit_bytes()
    body = await _read_body(request, limit_bytes)
    if body is None:
        return _response(body_too_large(limit_bytes))
    return _response(await requests.apublish_body(kind, body, request.headers.get("prefer"), path))


async def _read_body(request: Request, limit_bytes: int) -> bytes | None:
    """Return the body; None as soon as it is known to have more bytes than the limit."""
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > limit_bytes:
        return None
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > limit_bytes:
                return None
    except ClientDisconnect as error:  # nobody reads the answer, but the log needs no traceback
        raise HTTPException(400, "the connection ended before the body") from error
    return bytes(body)


def takes(kind: type[Command]) -> dict[str, Any]:
    """Return arguments for a route's decorator: its OpenAPI documentation then has the body and the answers."""
    content = {"application/json": {"schema": kind.model_json_schema()}}
    answers = {
        201: "committed",
        202: "accepted",
        409: "declined",
        413: "too large",
        422: "wrong fields, or parked",
        503: "not accepted now",
    }
    return {
        "status_code": 202,
        "openapi_extra": {"requestBody": {"content": content, "required": True}},
        "responses": {status: {"description": text} for status, text in answers.items()},
    }


def router(service: Service) -> APIRouter:
    """Return the routes for receipts of a service's commands, and for this process's health and metrics."""
    routes = APIRouter()

    @routes.get("/receipts/{command_id}")
    async def receipt(command_id: str) -> Response:
        """Answer what became of a command: 404 while nothing is known of its id."""
        return _response(await requests.alook_up(service.name, command_id))

    @routes.get("/livez")
    async def live() -> Response:
        """Answer that this process lives."""
        return _response(requests.live())

    @routes.get("/readyz")
    async def ready() -> Response:
        """Answer whether the broker takes commands of this process."""
        return _response(requests.ready())

    @routes.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        """Answer with the page for Prometheus; 404 unless ``WRITEGATE_TELEMETRY`` names it."""
        status, content, kind = requests.metrics()
        return Response(content, status, media_type=kind)

    return routes


def _response(answer: Answer) -> Response:
    return Response(answer.json(), answer.status, dict(answer.headers), "application/json")


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, PublishError)  # noqa: S101  it is registered for this class
    return _response(refused(error))


exception_handlers: dict[int | type[Exception], Callable[[Request, Exception], Coroutine[Any, Any, Response]]] = {
    PublishError: _refused
}
