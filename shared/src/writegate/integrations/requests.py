"""Serving HTTP requests with the publisher of this process: what all web frameworks have in common.

The command's contract reads the request's body, not the framework: a strict model reads a date from JSON text, but not
from values that were parsed already.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pydantic import ValidationError

from writegate.contract.command import Command
from writegate.contract.json_values import read_json, write_json
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
from writegate.publishing import process
from writegate.telemetry import metrics_page

LOOKUP_SECONDS = 5.0

# The free places of this process for requests that wait for an outcome, each on a thread of its server; by how many
# places there are. Lists without a lock: each of their operations is one step, and a lock that is made here is older
# than gevent's patch (see `process`).
_places: dict[int, list[None]] = {}


def body_limit_bytes() -> int:
    """Return how many bytes the body of a request may have."""
    return process.settings(need=()).http_body_bytes


def publish_body(kind: type[Command], body: bytes, prefer: str | None, path: Mapping[str, Any]) -> Answer:
    """Publish the command in a request's body and return the answer; ``prefer`` is the header of that name.

    ``path`` are the fields from the request's path; they replace those of the body. The call blocks while it waits for
    an outcome: of so many at once as ``WRITEGATE_HTTP_WAITING`` says, others are answered as if they did not ask.
    """
    seconds = preferred_wait(prefer)
    try:
        command = _command(kind, body, path)
        if seconds is not None:
            with _place_to_wait() as free:
                if free:
                    return _publish_and_wait(command, seconds)
        return accepted(process.publish(command).command_id)
    except ValidationError as error:
        return invalid(error)
    except PublishError as error:
        return refused(error)


def _publish_and_wait(command: Command, seconds: float) -> Answer:
    pending = process.publish(command, receipt=True)
    try:
        return decided(pending.wait(seconds))
    except ReceiptTimeout:
        return accepted(pending.command_id)


@contextmanager
def _place_to_wait() -> Iterator[bool]:
    """Yield whether the request may wait inside the block: the server's other threads are for requests that do not."""
    count = process.settings(need=()).http_waiting
    places = _places.setdefault(count, [None] * count)
    try:
        places.pop()
    except IndexError:
        yield False
        return
    try:
        yield True
    finally:
        places.append(None)


async def apublish_body(kind: type[Command], body: bytes, prefer: str | None, path: Mapping[str, Any]) -> Answer:
    """:func:`publish_body` for event loops."""
    seconds = preferred_wait(prefer)
    try:
        command = _command(kind, body, path)
        if seconds is None:
            return accepted((await process.apublish(command)).command_id)
        pending = await process.apublish(command, receipt=True)
        try:
            return decided(await pending.get(seconds))
        except ReceiptTimeout:
            return accepted(pending.command_id)
    except ValidationError as error:
        return invalid(error)
    except PublishError as error:
        return refused(error)


def look_up(service: str, command_id: str) -> Answer:
    """Answer what became of a command: 404 while nothing is known of its id, 503 when no writer answers in time.

    503 as well while ``WRITEGATE_HTTP_WAITING`` others wait for a writer's answer.
    """
    with _place_to_wait() as free:
        if not free:
            return undecided(command_id, "as many requests as may wait here at once do so: ask again")
        try:
            return looked_up(command_id, process.publisher().lookup(service, command_id, LOOKUP_SECONDS))
        except (ReceiptTimeout, PublishError) as error:
            return undecided(command_id, error)


async def alook_up(service: str, command_id: str) -> Answer:
    """:func:`look_up` for event loops."""
    try:
        return looked_up(command_id, await process.publisher().alookup(service, command_id, LOOKUP_SECONDS))
    except (ReceiptTimeout, PublishError) as error:
        return undecided(command_id, error)


def live() -> Answer:
    """Answer that this process lives. It asks nobody: a broker that is down is no reason to restart this process."""
    return Answer(200, {"live": True})


def ready() -> Answer:
    """Answer whether the broker takes commands of this process: 200, or 503."""
    publisher = process.publisher()
    body = {"broker": publisher.connected, "login_refused": publisher.login_refused is not None}
    return Answer(200 if body["broker"] else 503, body)


def metrics() -> tuple[int, bytes, str]:
    """Return status, content and content type of the page for Prometheus; 404 unless the settings name it."""
    page = metrics_page(process.settings())
    return (200, *page) if page else (404, b"WRITEGATE_TELEMETRY does not name prometheus\n", "text/plain")


def _command(kind: type[Command], body: bytes, path: Mapping[str, Any]) -> Command:
    if path:
        try:
            fields = read_json(body)
        except (ValueError, RecursionError):
            pass  # the contract raises below, with what is wrong
        else:
            body = write_json(fields | dict(path) if isinstance(fields, dict) else fields)
    return kind.model_validate_json(body)
