"""The ways of publishing, each as its users have it, over a real broker."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
from celery import Celery
from fastapi import FastAPI, Request, Response

from tests.deadlines import patient
from tests.values.services.everything.contract import everything
from writegate import Command, contract_of
from writegate.integrations import celery, fastapi
from writegate.publishing import process

Asked = tuple[type[Command], dict[str, Any]]
# What kombu writes by itself.
_KOMBU = (str, int, float, bool, Decimal, datetime, date, time, UUID, type(None))
# Of the drawn fields; a contract reads them from JSON's numbers.
_NUMBERS = ("exact", "scaled", "cash")


def by_sdk(asked: Sequence[Asked]) -> None:
    """`publish_many`."""
    process.publisher().publish_many([kind(**fields) for kind, fields in asked])


def by_command_line(asked: Sequence[Asked]) -> None:
    """`writegate publish TASK -`."""
    for kind in {kind for kind, _ in asked}:
        lines = "\n".join(as_people_write(kind, fields) for other, fields in asked if other is kind)
        done = subprocess.run(
            [sys.executable, "-m", "writegate", "publish", contract_of(kind).task, "-"],
            input=lines, env={**os.environ}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr


def by_http(asked: Sequence[Asked]) -> None:
    """A route of FastAPI."""
    app = FastAPI(exception_handlers=fastapi.exception_handlers)

    @app.post("/{name}")
    async def take(request: Request, name: str) -> Response:
        return await fastapi.respond(request, everything.commands[name])

    async def post() -> None:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://site") as client:
            for kind, fields in asked:
                body = as_people_write(kind, fields)
                answer = await client.post(f"/{contract_of(kind).task}", content=body.encode(), timeout=patient(60))
                assert answer.status_code == 202, answer.text

    asyncio.run(post())


def by_stock_celery(asked: Sequence[Asked]) -> None:
    """`send_task` of an application that knows nothing of Writegate."""
    with _celery() as app:
        app.conf.broker_transport_options = {"confirm_publish": True}
        for kind, fields in asked:
            written = json.loads(kind(**fields).model_dump_json())
            kwargs = {name: value if _is_kombus(value) else written[name] for name, value in fields.items()}
            app.send_task(
                contract_of(kind).task, kwargs=kwargs, exchange="writes.everything", routing_key="any",
                declare=[], mandatory=True, ignore_result=True,
            )  # fmt: skip


def by_configured_celery(asked: Sequence[Asked]) -> None:
    """`send_task` after `configure`."""
    with _celery() as app:
        celery.configure(app, services=[everything])
        for kind, fields in asked:
            written = json.loads(kind(**fields).model_dump_json())
            # Bytes have no form that both its serializer and a contract in base64 know.
            as_text: dict[str, Any] = {name: written[name] for name in ("raw", "raws") if name in fields}
            app.send_task(contract_of(kind).task, kwargs={**fields, **as_text}, ignore_result=True)


Way = Callable[[Sequence[Asked]], None]
WAYS: tuple[Way, ...] = (by_sdk, by_command_line, by_http, by_stock_celery, by_configured_celery)


def as_people_write(kind: type[Command], fields: dict[str, Any]) -> str:
    """Return JSON in which Decimals are numbers."""
    text = json.loads(kind(**fields).model_dump_json(include={*fields}))
    numbers = {name: str(fields[name]) for name in _NUMBERS if fields.get(name) is not None}
    parts = [f"{json.dumps(name)}: {numbers.get(name) or json.dumps(value)}" for name, value in text.items()]
    return "{" + ", ".join(parts) + "}"


def _is_kombus(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(map(_is_kombus, value))
    if isinstance(value, dict):
        return all(map(_is_kombus, value.values()))
    return type(value) in _KOMBU


@contextmanager
def _celery() -> Iterator[Celery]:
    with Celery("shop", broker=os.environ["WRITEGATE_BROKER_URL"], set_as_current=False) as app:
        yield app
