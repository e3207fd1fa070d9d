"""The web frameworks' integrations: the same answers from each, through a real broker and a real writer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import httpx
import pytest
from django.test import Client
from werkzeug.test import Client as FlaskClient

from tests.deadlines import patient
from tests.examples.with_fastapi import app as fastapi_app
from tests.examples.with_flask import create_app
from tests.integration.gate import Gate, gate_running
from tests.recorder import Recorder
from tests.servers import Servers
from writegate.contract.ids import new_id
from writegate.errors import QueueFull
from writegate.publishing import process
from writegate_devkit.stack.readiness import wait_until

PATIENCE_SECONDS = patient(60)


@dataclass(frozen=True)
class Answered:
    """What a client got."""

    status: int
    headers: dict[str, str]
    body: Any


class Site(Protocol):
    """One of the example applications, as its clients see it."""

    def __call__(self, method: str, path: str, body: bytes = b"", /, *, prefer: str = "") -> Answered: ...


@contextmanager
def with_fastapi() -> Iterator[Site]:
    with asyncio.Runner() as loop:
        lives = fastapi_app.router.lifespan_context(fastapi_app)
        loop.run(lives.__aenter__())
        client = httpx.AsyncClient(transport=httpx.ASGITransport(fastapi_app), base_url="http://site")

        def ask(method: str, path: str, body: bytes = b"", /, *, prefer: str = "") -> Answered:
            headers = {"Prefer": prefer} if prefer else {}
            answer = loop.run(client.request(method, path, content=body, headers=headers, timeout=PATIENCE_SECONDS))
            return Answered(answer.status_code, {**answer.headers}, answer.json())

        yield ask
        loop.run(client.aclose())
        loop.run(lives.__aexit__(None, None, None))


@contextmanager
def with_flask() -> Iterator[Site]:
    client: FlaskClient = create_app().test_client()

    def ask(method: str, path: str, body: bytes = b"", /, *, prefer: str = "") -> Answered:
        answer = client.open(path, method=method, data=body, headers={"Prefer": prefer} if prefer else {})
        return Answered(answer.status_code, {name.lower(): value for name, value in answer.headers}, answer.json)

    yield ask


@contextmanager
def with_django() -> Iterator[Site]:
    client = Client()

    def ask(method: str, path: str, body: bytes = b"", /, *, prefer: str = "") -> Answered:
        headers = {"Prefer": prefer} if prefer else {}
        answer = client.generic(method, path, body, "application/json", headers=headers)
        return Answered(answer.status_code, {name.lower(): value for name, value in answer.items()}, answer.json())

    yield ask


@pytest.fixture(scope="module")
def gate(servers: Servers) -> Iterator[Gate]:
    with gate_running(servers, "gate_integrations") as running, pytest.MonkeyPatch.context() as patch:
        running.writers.start()
        patch.setenv("WRITEGATE_BROKER_URL", running.broker.url("trial"))
        patch.setenv("WRITEGATE_SPOOL_DIRECTORY", "off")  # what the broker does not take is to be seen
        yield running
        process.close()
        process.configure()
        running.assert_drained()


@pytest.fixture(params=[with_fastapi, with_flask, with_django], ids=lambda one: one.__name__)
def site(request: pytest.FixtureRequest, gate: Gate, django_site: None) -> Iterator[Site]:
    running: Callable[[], Any] = request.param
    process.close()
    process.configure()
    with running() as one:
        yield one
    # However an application ends, what it leaves behind is usable.
    assert process.publisher().user == "trial"


def an_account() -> str:
    return f"account-{new_id()}"


def test_accepted_and_then_its_receipt(site: Site, gate: Gate) -> None:
    account = an_account()
    answer = site("POST", f"/accounts/{account}/deposits", b'{"seq": 1}')
    assert (answer.status, answer.headers["location"]) == (202, f"/receipts/{answer.body['id']}")
    assert answer.headers["content-type"] == "application/json"
    assert wait_until(lambda: site("GET", answer.headers["location"]).status == 200, PATIENCE_SECONDS)
    assert site("GET", answer.headers["location"]).body["outcome"] == "applied"
    gate.database.assert_exactly_once(account, [1])


def test_whoever_prefers_to_wait_learns_what_became_of_it(site: Site, gate: Gate) -> None:
    account = an_account()
    answer = site("POST", f"/accounts/{account}/deposits", b'{"seq": 1}', prefer="wait=30")
    assert (answer.status, answer.body["outcome"], answer.body["result"]) == (201, "applied", {"booked": 1})
    assert answer.headers["preference-applied"] == "wait"
    gate.database.assert_exactly_once(account, [1])
    answer = site("POST", f"/accounts/{account}/deposits", b'{"seq": 2, "amount": -1}', prefer="wait=30")
    assert (answer.status, answer.body["cause"]["sqlstate"]) == (422, "23514")
    answer = site("POST", f"/accounts/{account}/agreements", b'{"seq": 3, "no": "not on a Sunday"}', prefer="wait=30")
    assert (answer.status, answer.body["outcome"]) == (409, "declined")
    assert answer.body["cause"]["message"] == "not on a Sunday"
    known = site("GET", answer.headers["location"])
    assert (known.status, known.body["outcome"], known.body["cause"]) == (200, "declined", answer.body["cause"])
    gate.database.assert_exactly_once(account, [1])


def test_a_receipt_asked_for_later_has_the_result(site: Site) -> None:
    answer = site("POST", f"/accounts/{an_account()}/deposits", b'{"seq": 1, "amount": 5}')
    assert wait_until(lambda: site("GET", answer.headers["location"]).status == 200, PATIENCE_SECONDS)
    assert site("GET", answer.headers["location"]).body["result"] == {"booked": 5}


@pytest.mark.parametrize(
    ("body", "path"),
    [(b'{"seq": "x"}', "seq"), (b'{"seq": 1, "note": 1}', "note"), (b"{", ""), (b"[1]", ""), (b"", "")],
)
def test_wrong_fields_are_named(site: Site, body: bytes, path: str) -> None:
    answer = site("POST", f"/accounts/{an_account()}/deposits", body)
    assert (answer.status, [error["path"] for error in answer.body["errors"]]) == (422, [path])


def test_the_path_wins_over_the_body(site: Site, gate: Gate) -> None:
    account = an_account()
    answer = site("POST", f"/accounts/{account}/deposits", b'{"seq": 1, "account": "other"}', prefer="wait=30")
    assert answer.status == 201
    gate.database.assert_exactly_once(account, [1])


def test_a_view_of_its_own_publishes(site: Site, gate: Gate) -> None:
    account = an_account()
    site("POST", f"/accounts/{account}/bonus")
    gate.database.wait_entries(account, 1, PATIENCE_SECONDS)


def test_nothing_is_known_of_an_unknown_id(site: Site) -> None:
    assert site("GET", f"/receipts/{new_id()}").status == 404


def test_health(site: Site) -> None:
    assert (site("GET", "/livez").status, site("GET", "/livez").body) == (200, {"live": True})
    assert wait_until(lambda: site("GET", "/readyz").status == 200, PATIENCE_SECONDS)


def test_what_is_not_accepted_is_answered_with_when_to_come_again(site: Site) -> None:
    with process.replace(Recorder(QueueFull("c-1", "the lane is full"))):
        answer = site("POST", "/accounts/a-1/deposits", b'{"seq": 1}')
    assert (answer.status, answer.headers["retry-after"], answer.body["id"]) == (503, "1", "c-1")


@pytest.mark.parametrize("site", [with_fastapi, with_flask], ids=lambda one: one.__name__, indirect=True)
def test_a_view_of_its_own_need_not_catch_anything(site: Site) -> None:
    with process.replace(Recorder(QueueFull("c-1", "the lane is full"))):
        answer = site("POST", "/accounts/a-1/bonus")
    assert (answer.status, answer.headers["retry-after"], answer.body["id"]) == (503, "1", "c-1")
