"""Celery's own tools and a stock Celery producer, against a writer: they see a worker like any other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

import pytest
from celery import Celery

from tests.deadlines import PATIENCE, patient
from tests.integration.gate import Gate, gate_running
from tests.integration.load import Load
from tests.servers import Servers
from tests.services.trial.contract import Deposit
from writegate.catalog import installed_services
from writegate.contract.ids import new_id
from writegate.contract.lanes import lane_of
from writegate.message.topology import queue_name
from writegate_devkit.stack.ports import choose

STATS_SECONDS = patient(10)  # 2 are wanted; a machine that is busy with other things must not fail the test
LANES = {name: service.lanes for name, service in installed_services().items()} | {"shards": 3, "trial": 2}


@pytest.fixture(scope="module")
def gate(servers: Servers) -> Iterator[Gate]:
    with gate_running(servers, "gate_tools") as running:
        running.writers.start()
        running.wait_shared("writer-1")
        yield running
        for service in LANES:
            running.assert_drained(service)


@pytest.fixture
def stock(gate: Gate) -> Iterator[Celery]:
    """A Celery application that knows nothing of Writegate."""
    with Celery("stock", broker=gate.broker.url(), set_as_current=False) as app:
        yield app


def celery(gate: Gate, *words: str) -> Any:
    """Run Celery's command as the administrator; return what the one writer answered."""
    line = [sys.executable, "-m", "celery", "-b", gate.broker.url(), *words, "--json"]
    done = subprocess.run(line, cwd="/", env=plain(), capture_output=True, text=True, check=False, timeout=patient(60))
    assert done.returncode == 0, done.stdout + done.stderr
    [answer] = json.loads(done.stdout).values()
    return answer


def plain() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("WRITEGATE_")}


def test_active_queues_are_the_lanes(gate: Gate) -> None:
    queues = {queue["name"]: queue for queue in celery(gate, "inspect", "active_queues")}
    assert set(queues) == {queue_name(service, lane) for service, lanes in LANES.items() for lane in range(lanes)}
    assert queues["writes.flights.3"]["exchange"]["name"] == "writes.flights"
    assert queues["writes.flights.3"]["routing_key"] == "3"


def test_stats_are_answered_under_load(gate: Gate, stock: Celery) -> None:
    with Load(gate, "stats", pace_seconds=0) as load:
        before, began = gate.database.batches()[1], time.monotonic()
        waits: list[float] = []
        while time.monotonic() < began + 2:
            asked = time.monotonic()
            answers: dict[str, Any] = stock.control.inspect(timeout=STATS_SECONDS, limit=1).stats() or {}
            waits.append(time.monotonic() - asked)
        rate = (gate.database.batches()[1] - before) / (time.monotonic() - began)
    print(f"inspect stats: {max(waits):.2f} s at worst, at {rate:,.0f} commands a second")  # noqa: T201  for people
    assert rate > 100 / PATIENCE, "the writer was busy meanwhile"
    assert max(waits) < STATS_SECONDS
    [stats] = answers.values()
    assert stats["total"]["trial.deposit"] > 0
    assert stats["writegate"]["domains"]["trial"]["phase"] == "serving"
    load.check()


REFUSED: dict[str, dict[str, Any]] = {
    "add_consumer": {"queue": "other"},
    "autoscale": {"max": 9, "min": 1},
    "cancel_consumer": {"queue": "writes.trial.0"},
    "pool_grow": {"n": 3},
    "pool_restart": {},
    "pool_shrink": {"n": 1},
    "rate_limit": {"task_name": "trial.deposit", "rate_limit": "1/h"},
    "revoke": {"task_id": "the-revoked"},
    "terminate": {"signal": "KILL", "task_id": "the-revoked"},
    "time_limit": {"task_name": "trial.deposit", "hard": 1},
}


def test_what_would_change_consumption_is_refused(gate: Gate, stock: Celery) -> None:
    for name, arguments in REFUSED.items():
        answers: Any = stock.control.broadcast(name, arguments, reply=True, timeout=patient(10), limit=1)
        [said] = answers[0].values()
        assert "a writer does not take" in said["error"], name
    with gate.broker.publisher() as publisher:
        for account, seq in (("neighbour", 1), ("afar", 2)):  # one in each lane
            command = Deposit(account=account, seq=seq).with_id("the-revoked" if seq == 2 else new_id())
            assert publisher.publish(command, receipt=True).wait(patient(20)).outcome == "applied"
    assert celery(gate, "inspect", "revoked") == []


def test_events_tell_what_became_of_commands(gate: Gate, stock: Celery) -> None:
    good, bad = Deposit(account="events", seq=1), Deposit(account="events", seq=2, amount=-1)
    seen: dict[str, list[str]] = {good.command_id: [], bad.command_id: []}

    def note(event: dict[str, Any]) -> None:
        if event["type"].startswith("task-"):
            seen[event["uuid"]].append(event["type"])
            receiver.should_stop = all(len(types) == 3 for types in seen.values())

    with stock.connection_for_read() as connection:
        receiver = stock.events.Receiver(connection, handlers={"*": note})
        receiver.on_consume_ready = lambda *_, **__: gate.broker.publish([good, bad])
        stock.control.enable_events(reply=True, timeout=patient(10), limit=1)
        receiver.capture(limit=None, timeout=patient(20), wakeup=False)
    stock.control.disable_events(reply=True, timeout=patient(10), limit=1)
    assert seen == {
        good.command_id: ["task-received", "task-started", "task-succeeded"],
        bad.command_id: ["task-received", "task-started", "task-failed"],
    }


def test_flower_shows_the_writer(gate: Gate) -> None:
    port = choose(("flower",), {})["flower"]
    line = [sys.executable, "-m", "celery", "-b", gate.broker.url(), "flower", f"--port={port}", "--address=127.0.0.1"]
    log = gate.servers.stack.home.logs / "flower.log"
    with log.open("wb") as output:
        environment = {**plain(), "FLOWER_UNAUTHENTICATED_API": "true"}
        flower = subprocess.Popen(line, cwd="/", env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        page = Page(f"http://127.0.0.1:{port}")

        def shown() -> bool:
            workers = json.loads(page.read("/api/workers?refresh=1") or b"{}")
            return any(name.startswith("writer-1@") and one.get("active_queues") for name, one in workers.items())

        gate.wait(shown, f"Flower lists the writer and its lanes; {log} has its words")
        assert b"writer-1@" in page.read("/workers")
        [(name, one)] = json.loads(page.read("/api/workers")).items()
        assert name.startswith("writer-1@")
        assert {queue["name"] for queue in one["active_queues"]} >= {"writes.flights.0", "writes.trial.1"}
    finally:
        flower.terminate()
        flower.wait(patient(20))


class Page:
    """Pages of a server that may not be up yet."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._open = build_opener(ProxyHandler({})).open

    def read(self, path: str) -> bytes:
        try:
            with self._open(self._address + path, timeout=patient(10)) as answer:
                return bytes(answer.read())
        except (URLError, OSError):
            return b""


# Run by a Python of its own, so that nothing of ours is imported.
STOCK_PRODUCER = """
import json, sys
from celery import Celery

url, backend, task_id, fields, times = sys.argv[1:]
app = Celery("stock", broker=url, backend=backend or None)
for _ in range(int(times)):
    result = app.send_task(
        "flights.record_departure", kwargs=json.loads(fields), exchange="writes.flights", routing_key="any",
        task_id=task_id, declare=[],
    )
    if backend:
        result.get(timeout=20, propagate=False)
        print(json.dumps([result.status, repr(result.result)]))
assert not [name for name in sys.modules if name.split(".")[0] == "writegate"]
"""


def send_departures(url: str, task_id: str, *, backend: str = "", number: int, distance: int = 1400) -> list[Any]:
    """Send the same departure twice with stock Celery; return what it got from a result backend, if any."""
    fields = {
        "carrier": "UA", "number": number, "day": "2013-01-01", "origin": "EWR", "destination": "IAH",
        "distance": distance, "scheduled_at": "2013-01-01T10:15:00Z", "departed_at": "2013-01-01T10:17:00Z",
    }  # fmt: skip
    line = [sys.executable, "-c", STOCK_PRODUCER, url, backend, task_id, json.dumps(fields), "2"]
    done = subprocess.run(line, cwd="/", env=plain(), capture_output=True, text=True, check=False, timeout=patient(60))
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_stock_producer_as_a_service_s_user(gate: Gate) -> None:
    lanes = set()
    for number in range(1, 5):
        task_id = f"stock-{number}"
        send_departures(gate.broker.url("flights"), task_id, number=number)
        lanes.add(lane_of(f"UA{number}/2013-01-01/EWR", LANES["flights"]))
        gate.wait(lambda number=number: departures(gate, number) == 1, f"flight {number}")  # type: ignore[misc]
    assert len(lanes) > 1, "some of them were not of lane 0, to which `any` is bound"
    gate.assert_drained("flights")
    gate.writers.start()
    assert [departures(gate, number) for number in range(1, 5)] == [1] * 4
    assert gate.database.value("SELECT departures FROM flights.airport_day WHERE airport = 'EWR'") == 4


def departures(gate: Gate, number: int) -> int:
    return int(gate.database.value("SELECT count(*) FROM flights.flight WHERE number = %s", [number]))


def test_a_stock_producer_s_result_is_the_receipt(gate: Gate) -> None:
    # rpc:// declares a queue for the replies, which a service's own user may not.
    url = gate.broker.url()
    first, second = send_departures(url, "stock-result", backend="rpc://", number=101)
    assert (first[0], second[0]) == ("SUCCESS", "SUCCESS")
    assert "'outcome': 'applied'" in first[1]
    assert "'outcome': 'duplicate'" in second[1]
    for status, text in send_departures(url, "stock-parked", backend="rpc://", number=102, distance=-5):
        assert status == "FAILURE"
        assert text.startswith("Parked(")
