"""The routes: departures and arrivals are posted, receipts and health are asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request, Response
from pydantic import ValidationError

from flights.contract import RecordArrival, RecordDeparture, flights
from writegate import Command, contract_of
from writegate.config import Settings
from writegate.errors import PublishError, ReceiptTimeout
from writegate.integrations.http import (
    Answer,
    accepted,
    decided,
    invalid,
    looked_up,
    preferred_wait,
    refused,
    undecided,
)
from writegate.publish import Publisher

LOOKUP_SECONDS = 5.0


def service(settings: Settings) -> FastAPI:
    """Return the application; its publisher lives as long as it is served."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with Publisher(settings) as publisher:
            app.state.publisher = publisher
            yield

    app = FastAPI(title="flights", lifespan=lifespan)
    app.post("/departures", **_takes(RecordDeparture))(_posted(RecordDeparture))
    app.post("/arrivals", **_takes(RecordArrival))(_posted(RecordArrival))
    app.get("/receipts/{command_id}")(_receipt)
    app.get("/livez")(_live)
    app.get("/readyz")(_ready)
    return app


def _posted(command: type[Command]) -> Callable[[Request], Coroutine[Any, Any, Response]]:
    async def post(request: Request) -> Response:
        return _response(await _publish(command, request))

    post.__name__ = contract_of(command).name
    post.__doc__ = command.__doc__
    return post


def _takes(command: type[Command]) -> dict[str, Any]:
    # The body is read by the contract, not by FastAPI: a strict model takes a date from JSON, not from parsed JSON.
    content = {"application/json": {"schema": command.model_json_schema()}}
    answers = {201: "committed", 202: "accepted", 422: "wrong fields, or parked", 503: "not accepted now"}
    return {
        "status_code": 202,
        "openapi_extra": {"requestBody": {"content": content, "required": True}},
        "responses": {status: {"description": text} for status, text in answers.items()},
    }


async def _publish(kind: type[Command], request: Request) -> Answer:
    publisher: Publisher = request.app.state.publisher
    seconds = preferred_wait(request.headers.get("prefer"))
    try:
        command = kind.model_validate_json(await request.body())
        if seconds is None:
            return accepted((await publisher.apublish(command)).command_id)
        pending = await publisher.apublish(command, receipt=True)
        try:
            return decided(await pending.get(seconds))
        except ReceiptTimeout:
            return accepted(pending.command_id)
    except ValidationError as error:
        return invalid(error)
    except PublishError as error:
        return refused(error)


async def _receipt(command_id: str, request: Request) -> Response:
    """What became of a command: 404 while nothing is known of its id."""
    publisher: Publisher = request.app.state.publisher
    try:
        return _response(looked_up(command_id, await publisher.alookup(flights.name, command_id, LOOKUP_SECONDS)))
    except (ReceiptTimeout, PublishError) as error:
        return _response(undecided(command_id, error))


async def _live() -> dict[str, bool]:
    """Whether this process answers. Touches nothing: a broker that is down is no reason to restart it."""
    return {"live": True}


async def _ready(request: Request) -> Response:
    """Whether a command posted now would leave at once."""
    ready: bool = request.app.state.publisher.connected
    return _response(Answer(200 if ready else 503, {"broker": ready}))


def _response(answer: Answer) -> Response:
    return Response(answer.json(), answer.status, dict(answer.headers), "application/json")
