"""FastAPI: commands are posted, receipts and health are asked for.

::

    app = FastAPI(lifespan=lifespan, exception_handlers=exception_handlers)
    app.include_router(router(flights))  # GET /receipts/{command_id}, /livez, /readyz, /metrics

    @app.post("/departures", **takes(RecordDeparture))
    async def record_departure(request: Request) -> Response:
        return await respond(request, RecordDeparture)

A route of another kind takes the publisher as ``publisher: PublisherDep``; what it raises is answered all the same.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Depends, FastAPI, Request, Response

from writegate.contract.command import Command
from writegate.contract.service import Service
from writegate.errors import PublishError
from writegate.integrations import requests
from writegate.integrations.http import Answer, refused
from writegate.publishing import Publisher, process


async def _publisher() -> Publisher:
    return process.publisher()


PublisherDep = Annotated[Publisher, Depends(_publisher)]


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Make the publisher of this process when the application starts, and close it when the application ends.

    A wrong setting keeps the application from starting.
    """
    process.publisher()
    yield
    await to_thread.run_sync(process.close)  # what is on its way is waited for


async def respond(request: Request, kind: type[Command], **path: Any) -> Response:
    """Publish the command in a request's body and answer as :mod:`writegate.integrations.http` says.

    ``path`` are fields that the path names, such as ``account=account``.
    """
    answer = await requests.apublish(kind, await request.body(), request.headers.get("prefer"), path)
    return _response(answer)


def takes(kind: type[Command]) -> dict[str, Any]:
    """Return what a route's decorator needs for its documentation to say what the body is and what is answered."""
    content = {"application/json": {"schema": kind.model_json_schema()}}
    answers = {201: "committed", 202: "accepted", 422: "wrong fields, or parked", 503: "not accepted now"}
    return {
        "status_code": 202,
        "openapi_extra": {"requestBody": {"content": content, "required": True}},
        "responses": {status: {"description": text} for status, text in answers.items()},
    }


def router(service: Service) -> APIRouter:
    """Return the routes that tell what became of a service's commands, and whether this process lives and is ready."""
    routes = APIRouter()

    @routes.get("/receipts/{command_id}")
    async def receipt(command_id: str) -> Response:
        """What became of a command: 404 while nothing is known of its id."""
        return _response(await requests.alook_up(service.name, command_id))

    @routes.get("/livez")
    async def live() -> Response:
        """Whether this process answers."""
        return _response(requests.live())

    @routes.get("/readyz")
    async def ready() -> Response:
        """Whether a command posted now would leave at once."""
        return _response(requests.ready())

    @routes.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        """What Prometheus asks for; 404 unless ``WRITEGATE_TELEMETRY`` names it."""
        status, content, kind = requests.metrics()
        return Response(content, status, media_type=kind)

    return routes


def _response(answer: Answer) -> Response:
    return Response(answer.json(), answer.status, dict(answer.headers), "application/json")


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, PublishError)  # noqa: S101  it is registered for these
    return _response(refused(error))


exception_handlers: dict[int | type[Exception], Callable[[Request, Exception], Coroutine[Any, Any, Response]]] = {
    PublishError: _refused
}
