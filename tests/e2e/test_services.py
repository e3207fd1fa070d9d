"""The services as the stack runs them: what one gets from them over HTTP and from their command lines."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import httpx
import psycopg2
import pytest

from tests.deadlines import patient
from tests.demo import oracle
from tests.demo.compare import differences
from tests.example_commands import DEPARTURE
from tests.servers import Servers, servers_running
from writegate_devkit.stack.environment import FEED
from writegate_devkit.stack.programs import WRITERS
from writegate_devkit.stack.readiness import wait_until

DEADLINE_SECONDS = patient(30)


@pytest.fixture(scope="module")
def running() -> Iterator[Servers]:
    """Servers, writers and services; but nobody feeds them by himself."""
    with servers_running() as servers:
        servers.stack.up([name for name in servers.stack.programs if name != FEED])
        yield servers


@pytest.fixture
def flights(running: Servers) -> Iterator[httpx.Client]:
    with client(running, "flights") as opened:
        yield opened


@pytest.fixture
def fleet(running: Servers) -> Iterator[httpx.Client]:
    with client(running, "fleet") as opened:
        yield opened


def client(running: Servers, service: str) -> httpx.Client:
    port = running.stack.state.ports[service]
    return httpx.Client(base_url=f"http://127.0.0.1:{port}", transport=httpx.HTTPTransport(), timeout=patient(30))


def ask(running: Servers, query: str) -> list[tuple[Any, ...]]:
    with psycopg2.connect(running.database_url()) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        rows = cursor.fetchall()
    connection.close()
    return rows


def run(running: Servers, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    service = arguments[0]
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        env=running.stack.environment(service) | settings,
        capture_output=True,
        text=True,
        check=False,
        timeout=patient(120),
    )


def departure(number: int, **changes: Any) -> dict[str, Any]:
    return DEPARTURE | {"number": number} | changes


def receipt(service: httpx.Client, location: str) -> dict[str, Any]:
    """Return the receipt once there is one."""
    assert wait_until(lambda: service.get(location).status_code == 200, DEADLINE_SECONDS)
    body: dict[str, Any] = service.get(location).json()
    return body


def test_a_departure_is_accepted_and_its_receipt_follows(flights: httpx.Client, running: Servers) -> None:
    answer = flights.post("/departures", json=departure(1))
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/receipts/{answer.json()['id']}"
    assert receipt(flights, answer.headers["location"])["outcome"] == "applied"
    assert ask(running, "select count(*) from flights.flight where number = 1") == [(1,)]


def test_with_a_preference_to_wait_it_is_committed_when_the_answer_comes(
    flights: httpx.Client, running: Servers
) -> None:
    answer = flights.post("/departures", json=departure(2), headers={"Prefer": "wait=10"})
    assert (answer.status_code, answer.json()["outcome"]) == (201, "applied")
    assert answer.json()["xid"]
    assert ask(running, "select count(*) from flights.flight where number = 2") == [(1,)]


def test_what_the_database_refuses_is_answered_with_the_cause(flights: httpx.Client, running: Servers) -> None:
    answer = flights.post("/departures", json=departure(3, distance=0), headers={"Prefer": "wait=10"})
    assert (answer.status_code, answer.json()["outcome"]) == (422, "parked")
    assert answer.json()["cause"]["sqlstate"] == "23514"
    assert ask(running, "select count(*) from flights.flight where number = 3") == [(0,)]


def test_an_arrival_reaches_fleet(flights: httpx.Client, running: Servers) -> None:
    names = {name: DEPARTURE[name] for name in ("carrier", "day", "origin")}
    came = names | {
        "number": 4,
        "tail": "NX4",
        "arrived_at": "2013-01-01T15:00:00Z",
        "delay_minutes": 3,
        "air_minutes": 200,
    }
    flights.post("/departures", json=departure(4))
    answer = flights.post("/arrivals", json=came, headers={"Prefer": "wait=10"})
    assert answer.status_code == 201
    query = "select minutes, cycles from fleet.airframe where tail = 'NX4'"
    assert wait_until(lambda: ask(running, query) == [(200, 1)], DEADLINE_SECONDS)


def test_an_arrival_that_nothing_waits_for_is_answered_with_the_reason(flights: httpx.Client, running: Servers) -> None:
    names = {name: DEPARTURE[name] for name in ("carrier", "day", "origin")}
    answer = flights.post("/arrivals", json=names | {"number": 5}, headers={"Prefer": "wait=10"})
    assert (answer.status_code, answer.json()["outcome"]) == (409, "declined")
    assert "UA5/2013-01-01/EWR is not on its way" in answer.json()["cause"]["message"]
    known = flights.get(answer.headers["location"]).json()
    assert (known["outcome"], known["cause"]) == ("declined", answer.json()["cause"])
    assert ask(running, "select count(*) from writegate.parked where task = 'flights.record_arrival'") == [(0,)]


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (json.dumps(departure(6, origin="Newark")), "origin"),
        (json.dumps(departure(6, pilot="Kim")), "pilot"),
        ("{", ""),
        ("[]", ""),
    ],
)
def test_wrong_fields_are_named_and_nothing_is_published(flights: httpx.Client, body: str, path: str) -> None:
    answer = flights.post("/departures", content=body)
    assert answer.status_code == 422
    assert [error["path"] for error in answer.json()["errors"]] == [path]


def test_nothing_is_known_of_an_unknown_id(flights: httpx.Client, fleet: httpx.Client) -> None:
    for service in (flights, fleet):
        assert service.get("/receipts/018f0000-0000-7000-8000-000000000000").status_code == 404


def test_fleet_takes_the_register_and_inspections(fleet: httpx.Client, running: Servers) -> None:
    told = {
        "kind": "Fixed wing",
        "manufacturer": "BOEING",
        "model": "737",
        "engine": "Turbo-fan",
        "engines": 2,
        "seats": 150,
    }
    answer = fleet.put("/airframes/NF1", json=told, headers={"Prefer": "wait=10"})
    assert (answer.status_code, answer.json()["outcome"]) == (201, "applied")
    answer = fleet.post("/airframes/NF1/inspections", json={"inspected_on": "2013-02-01", "inspector": "Kim"})
    assert answer.status_code == 202
    assert receipt(fleet, answer.headers["location"])["id"] == answer.json()["id"]
    rows = ask(running, "select seats, inspections, inspector from fleet.airframe where tail = 'NF1'")
    assert rows == [(150, 1, "Kim")]
    earlier = {"inspected_on": "2013-01-31", "inspector": "Lee"}
    answer = fleet.post("/airframes/NF1/inspections", json=earlier, headers={"Prefer": "wait=10"})
    assert (answer.status_code, answer.json()["outcome"]) == (409, "declined")
    assert answer.json()["cause"]["message"] == "a later inspection is recorded"
    assert ask(running, "select inspections, inspector from fleet.airframe where tail = 'NF1'") == [(1, "Kim")]


@pytest.mark.parametrize(
    ("body", "path"),
    [('{"inspector": "Kim"}', "inspected_on"), ("{", ""), ("5", "")],
)
def test_fleet_names_wrong_fields(fleet: httpx.Client, body: str, path: str) -> None:
    answer = fleet.post("/airframes/NF2/inspections", content=body)
    assert answer.status_code == 422
    assert [error["path"] for error in answer.json()["errors"]] == [path]


def test_fleet_answers_with_the_cause(fleet: httpx.Client) -> None:
    told = {"kind": "Balloon", "manufacturer": "X", "model": "Y", "engine": "None", "engines": 0, "seats": 4}
    answer = fleet.put("/airframes/NF3", json=told, headers={"Prefer": "wait=10"})
    assert (answer.status_code, answer.json()["cause"]["sqlstate"]) == (422, "23514")


def test_weather_follows_its_feed(running: Servers) -> None:
    assert wait_until(
        lambda: ask(running, "select count(*) > 1 from weather.observation") == [(True,)], DEADLINE_SECONDS
    )
    with client(running, "weather") as weather:
        assert weather.get("/livez").status_code == weather.get("/readyz").status_code == 200
        assert weather.get("/").status_code == 404


def test_the_register_is_replayed(running: Servers) -> None:
    done = run(running, "fleet", "replay", "--limit", "500")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["commands"] == 500
    query = "select count(*) from fleet.airframe where built is not null or tail like 'N1%'"
    assert wait_until(lambda: ask(running, query)[0][0] > 400, DEADLINE_SECONDS)


def test_a_replay_keeps_its_rate(running: Servers) -> None:
    done = run(running, "fleet", "replay", "--limit", "11", "--rate", "10")
    figures = json.loads(done.stdout)
    assert figures["commands"] == 11
    assert 1.0 <= figures["seconds"] < 10.0
    assert "11 commands accepted" in done.stderr


def test_weather_is_replayed_until_a_time(running: Servers) -> None:
    done = run(running, "weather", "replay", "--until", "2013-01-02T00:00:00Z")
    assert done.returncode == 0, done.stderr
    expected = oracle.weather_tables(datetime.fromisoformat("2013-01-02T00:00:00Z"))
    count = len(expected["weather.observation"])
    assert json.loads(done.stdout)["commands"] == count == 52

    def replayed() -> bool:
        recorded = ask(running, "select * from weather.observation where hour < '2013-01-02T00:00Z'")
        return not list(differences(expected, lambda _: recorded))

    assert wait_until(replayed, DEADLINE_SECONDS)


@pytest.mark.parametrize("service", ["flights", "fleet", "weather"])
def test_a_missing_setting_stops_a_replay_with_one_line(running: Servers, service: str) -> None:
    done = run(running, service, "replay", WRITEGATE_BROKER_URL="")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"{service}: WRITEGATE_BROKER_URL is not set: expected ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("module", ["flights.app", "fleet.asgi"])
def test_a_missing_setting_stops_a_service_with_one_line(running: Servers, module: str) -> None:
    service = module.partition(".")[0]
    line = [sys.executable, "-c", f"import {module}"]
    done = subprocess.run(line, env={}, capture_output=True, text=True, check=False, cwd=running.stack.home.checkout)
    assert done.returncode == 1
    assert done.stderr.startswith(f"{service}: WRITEGATE_BROKER_URL is not set: expected ")


def alive_but_not_ready(service: httpx.Client) -> bool:
    return service.get("/livez").status_code == 200 and service.get("/readyz").status_code == 503


def test_without_a_broker_services_live_are_not_ready_and_accept_into_their_spools(
    flights: httpx.Client, fleet: httpx.Client, running: Servers
) -> None:
    inspection: Mapping[str, str] = {"inspected_on": "2013-02-01", "inspector": "Kim"}
    running.stack.stop("rabbitmq")
    try:
        with client(running, "weather") as weather:
            for service in (flights, fleet, weather):
                assert wait_until(lambda one=service: alive_but_not_ready(one), DEADLINE_SECONDS)  # type: ignore[misc]
        with ThreadPoolExecutor() as callers:
            calls = [
                callers.submit(flights.post, "/departures", json=departure(7)),
                callers.submit(fleet.post, "/airframes/NF7/inspections", json=inspection),
            ]
        answers = [call.result() for call in calls]
        assert [answer.status_code for answer in answers] == [202, 202]
    finally:
        running.stack.start("rabbitmq")
    for name in ("flights", "fleet", "weather", *WRITERS):
        running.stack.wait_ready(name)
    for service, answer in zip((flights, fleet), answers, strict=True):
        assert receipt(service, answer.headers["location"])["outcome"] == "applied"
    answer = flights.post("/departures", json=departure(8), headers={"Prefer": "wait=20"})
    assert answer.status_code == 201
    # However long the broker was away, writers try again every second: nobody waits for them when it is back.
    logs = "".join(running.stack.log(name).read_text() for name in WRITERS)
    assert set(re.findall(r"Trying again in (\S+)", logs)) == {"1.00"}
    running.stack.kill("weather", signal.SIGTERM)
    running.stack.wait_ready("weather")
