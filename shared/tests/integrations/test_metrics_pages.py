"""The page that Prometheus asks a service for, from each of the web frameworks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator

import httpx
import pytest
from django.test import Client

from tests.examples.with_fastapi import app as fastapi_app
from tests.examples.with_flask import create_app
from tests.recorder import Recorder
from writegate.config import Settings
from writegate.integrations.follow import health_server_of
from writegate.publishing import process

Page = tuple[int, str, str]


def of_fastapi() -> Page:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(fastapi_app)
        async with httpx.AsyncClient(transport=transport, base_url="http://site") as client:
            return await client.get("/metrics")

    answer = asyncio.run(ask())
    return answer.status_code, answer.headers["content-type"], answer.text


def of_flask() -> Page:
    answer = create_app().test_client().get("/metrics")
    return answer.status_code, answer.headers["content-type"], answer.text


def of_django() -> Page:
    answer = Client().get("/metrics")
    return answer.status_code, answer.headers["content-type"], answer.content.decode()


@pytest.fixture(params=[of_fastapi, of_flask, of_django], ids=lambda one: one.__name__)
def ask(
    request: pytest.FixtureRequest, django_site: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], Page]]:
    monkeypatch.setenv("WRITEGATE_BROKER_URL", "amqp://user:secret@127.0.0.1:1/")  # it is never asked
    yield request.param
    process.configure()


def test_metrics_are_told_when_they_are_asked_for(ask: Callable[[], Page], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WRITEGATE_TELEMETRY", "prometheus")
    status, content_type, text = ask()
    assert (status, content_type.partition(";")[0]) == (200, "text/plain")
    assert "version=" in content_type
    assert "# TYPE writegate_publish_seconds histogram" in text


def of_weather(telemetry: str) -> httpx.Response:
    """Of a service without a framework."""
    settings = Settings.model_validate({"http_port": 0, "telemetry": telemetry})
    server = health_server_of(settings, Recorder())
    server.start()
    try:
        with httpx.Client(transport=httpx.HTTPTransport()) as client:
            answer = client.get(f"http://127.0.0.1:{server.port}/metrics")
    finally:
        server.stop(time.monotonic() + 30)
    return answer


def test_a_service_without_a_framework_tells_its_metrics_too() -> None:
    answer = of_weather("prometheus")
    assert answer.status_code == 200
    assert "# TYPE writegate_publish_seconds histogram" in answer.text
    assert of_weather("").status_code == 404


def test_nothing_is_told_when_nobody_asked(ask: Callable[[], Page]) -> None:
    status, _, text = ask()
    assert (status, text) == (404, "WRITEGATE_TELEMETRY does not name prometheus\n")
