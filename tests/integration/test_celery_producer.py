"""A Celery application that sends commands: what arrives, what it raises, and what the writer makes of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from amqp.exceptions import MessageNacked, NotFound
from celery import Celery
from celery.exceptions import TimeoutError as CeleryTimeout
from kombu.exceptions import OperationalError
from pydantic import ValidationError

from tests.broker import Vhost, vhost_of
from tests.deadlines import patient
from tests.integration.gate import Gate, gate_running
from tests.sample import LANES, Deposit, accounts
from tests.servers import Servers
from tests.services.trial.contract import Agree, trial
from tests.services.trial.contract import Deposit as TrialDeposit
from writegate import Command, Service
from writegate.contract.lanes import lane_of
from writegate.integrations.celery import configure, task
from writegate.receipt import Declined, Parked

PATIENCE_SECONDS = patient(60)


class Meet(Command, key="who", name="meet"):
    """Has the types that JSON has not."""

    who: str
    day: date
    at: datetime


diary = Service("diary", commands=[Meet])


@pytest.fixture
def vhost(servers: Servers) -> Iterator[Vhost]:
    with vhost_of(servers, "celery-producer") as made:
        yield made


@pytest.fixture
def app(vhost: Vhost) -> Iterator[Celery]:
    """An application whose user may publish to both services, and declare nothing."""
    url = vhost.user("shop", write=r"^writes\.(accounts|diary)$")
    with Celery("shop", broker=url, set_as_current=False) as made:
        configure(made, services=[accounts, diary])
        yield made


def test_it_arrives_in_its_lane_as_ours_would(vhost: Vhost, app: Celery) -> None:
    vhost.declare(accounts)
    sent = app.send_task("accounts.withdraw", kwargs={"account": "Zoë", "amount": 3}, headers={"trace": "t-1"})
    (message,) = vhost.take(accounts, lane_of("Zoë", LANES), 1)
    headers = message.properties.headers
    assert (headers["task"], headers["id"], headers["trace"]) == ("accounts.withdraw", sent.id, "t-1")
    assert (headers["writegate-key"], headers["writegate-version"]) == ("Zoë", 3)
    assert "Zoë" not in str({name: value for name, value in headers.items() if name != "writegate-key"})
    assert (message.properties.content_type, message.properties.delivery_mode) == ("application/json", 2)
    assert json.loads(message.body)[:2] == [[], {"account": "Zoë", "amount": 3}]


def test_a_task_has_typed_fields_and_a_retry_keeps_its_id(vhost: Vhost, app: Celery) -> None:
    vhost.declare(accounts)
    deposit = task(app, Deposit)
    first = deposit.delay(account="a-1", amount=1)
    command = Deposit(account="a-1", amount=2)
    assert deposit.send(command).id == deposit.send(command).id == command.command_id != first.id
    messages = vhost.take(accounts, lane_of("a-1", LANES), 2)
    assert [message.properties.correlation_id for message in messages] == [first.id] + 2 * [command.command_id]


def test_dates_travel_as_the_contract_reads_them(vhost: Vhost, app: Celery) -> None:
    vhost.declare(diary)
    day, at = date(2013, 1, 1), datetime(2013, 1, 1, 10, tzinfo=UTC)
    app.send_task("diary.meet", kwargs={"who": "Kim", "day": day, "at": at})
    task(app, Meet).delay(who="Kim", day=day, at=at)
    for message in vhost.take(diary, 0, 2):
        assert Meet.model_validate_json(message.items[0].fields) == Meet(who="Kim", day=day, at=at)


def test_what_fails_the_contract_is_an_error_at_the_call(vhost: Vhost, app: Celery) -> None:
    with pytest.raises(ValidationError, match="amount"):
        app.send_task("accounts.deposit", kwargs={"account": "a-1", "amount": 0})
    with pytest.raises(ValidationError, match="Field required"):
        app.send_task("accounts.deposit")
    with pytest.raises(TypeError, match=r"accounts.deposit takes keyword arguments only, got 2 positional"):
        app.send_task("accounts.deposit", args=["a-1", 1])


def test_other_tasks_of_the_application_are_left_alone(vhost: Vhost) -> None:
    with Celery("shop", broker=vhost.url(), set_as_current=False) as app:
        app.conf.task_routes = {"shop.mail": {"queue": "mail"}}
        configure(app, services=[accounts])
        configure(app, services=[diary])
        app.send_task("shop.mail", args=["now"])
        with vhost.channel() as channel:
            assert channel.queue_declare("mail", passive=True).method.message_count == 1


def test_what_no_queue_takes_is_an_error_and_the_next_call_is_not_confused(vhost: Vhost, app: Celery) -> None:
    """The broker confirms what it returns, too: a late confirm must not be taken for the next message's."""
    vhost.declare(Service("accounts", commands=[], lanes=1))
    elsewhere = next(f"a-{number}" for number in range(99) if lane_of(f"a-{number}", LANES) == 3)
    here = next(f"a-{number}" for number in range(99) if lane_of(f"a-{number}", LANES) == 0)
    deposit = task(app, Deposit)
    for _ in range(2):
        with pytest.raises(Exception, match="NO_ROUTE"):
            deposit.delay(account=elsewhere, amount=1)
        deposit.delay(account=here, amount=1)
    assert vhost.waiting(accounts, 0) == 2
    with pytest.raises(NotFound, match=r"no exchange 'writes.diary'"):
        task(app, Meet).delay(who="Kim", day=date(2013, 1, 1), at=datetime(2013, 1, 1, tzinfo=UTC))


def test_what_a_full_lane_refuses_is_an_error(vhost: Vhost, app: Celery) -> None:
    vhost.declare(Service("accounts", commands=[], lanes=LANES, max_waiting=3))
    deposit = task(app, Deposit)

    def fill() -> None:
        for _ in range(50):
            deposit.delay(account="a-1", amount=1)

    with pytest.raises(OperationalError) as raised:
        fill()
    assert isinstance(raised.value.__cause__, MessageNacked)


# Through the gate.


@pytest.fixture(scope="module")
def gate(servers: Servers) -> Iterator[Gate]:
    with gate_running(servers, "gate_celery") as running:
        running.writers.start()
        yield running
        running.assert_drained()


@pytest.fixture
def shop(gate: Gate) -> Iterator[Celery]:
    """An application with results, for which its user must be one that may declare a queue."""
    with Celery("shop", broker=gate.broker.url(), backend="rpc://", set_as_current=False) as app:
        configure(app, services=[trial])
        yield app
        app.backend.result_consumer.stop()  # type: ignore[attr-defined]  # Celery leaves its connection open


def test_a_result_is_the_receipt(gate: Gate, shop: Celery) -> None:
    receipt: dict[str, Any] = shop.send_task("trial.deposit", kwargs={"account": "result", "seq": 1}).get(
        timeout=PATIENCE_SECONDS
    )
    assert (receipt["outcome"], receipt["result"]) == ("applied", {"booked": 1})
    deposit = task(shop, TrialDeposit)
    command = TrialDeposit(account="result", seq=2)
    assert [deposit.send(command).get(timeout=PATIENCE_SECONDS)["outcome"] for _ in range(2)] == [
        "applied",
        "duplicate",
    ]
    with pytest.raises(Parked, match="entry_amount_check"):
        deposit.delay(account="result", seq=3, amount=-1).get(timeout=PATIENCE_SECONDS)
    gate.database.assert_exactly_once("result", [1, 2])


def test_what_is_declined_is_raised_and_what_is_deferred_is_waited_for(gate: Gate, shop: Celery) -> None:
    agree = task(shop, Agree)
    with pytest.raises(Declined, match="not on a Sunday"):
        agree.delay(account="no", seq=1, no="not on a Sunday").get(timeout=PATIENCE_SECONDS)
    gate.database.sql("INSERT INTO writegate.hold (target, reason, holder) VALUES ('trial key=held', 'a test', 'me')")
    waiting = agree.delay(account="held", seq=1)
    deferred = "SELECT count(*) FROM writegate.deferred WHERE key = 'held' AND state = 'deferred'"
    gate.wait(lambda: gate.database.value(deferred) == 1, "it is deferred")
    with pytest.raises(CeleryTimeout):
        waiting.get(timeout=1)
    gate.database.sql("DELETE FROM writegate.hold WHERE holder = 'me'")
    assert waiting.get(timeout=PATIENCE_SECONDS)["outcome"] == "applied"


@pytest.mark.parametrize("compression", ["gzip", "zlib"])
def test_what_an_application_compresses_is_applied(gate: Gate, compression: str) -> None:
    def app() -> Celery:
        made = Celery("shop", broker=gate.broker.url(), set_as_current=False)
        made.conf.task_compression = compression
        return made

    with app() as stock, app() as configured:
        send_as_stock(stock, account=compression, seq=1)
        task(configured, TrialDeposit).delay(account=compression, seq=2)
    gate.database.wait_entries(compression, 2)
    gate.database.assert_exactly_once(compression, [1, 2])


def test_another_compression_is_named_where_it_is_parked(gate: Gate) -> None:
    with Celery("stock", broker=gate.broker.url(), set_as_current=False) as app:
        app.conf.task_compression = "bzip2"
        sent = send_as_stock(app, account="bzip2", seq=1)
    found = "SELECT cause, message FROM writegate.parked WHERE id = %s"
    gate.wait(lambda: bool(gate.database.sql(found, [sent])), "it is parked")
    [(cause, message)] = gate.database.sql(found, [sent])
    assert (cause, "application/x-bz2" in message) == ("content-encoding", True), message


def send_as_stock(app: Celery, **fields: Any) -> str:
    """Send a deposit as an application does that knows nothing of Writegate; return its id."""
    sent = app.send_task(
        "trial.deposit", kwargs=fields, exchange="writes.trial", routing_key="any", declare=[], ignore_result=True
    )
    return str(sent.id)


def test_from_within_prefork_workers(gate: Gate, tmp_path: Path) -> None:
    """Each process of a pool sends by Celery's means, and publishes with a publisher and a spool of its own."""
    line = [sys.executable, "-m", "celery", "-A", "tests.examples.with_celery", "worker", "--pool=prefork"]
    line += ["--concurrency=2", "--loglevel=INFO", "--queues=shop", "--hostname=shop@%h"]
    log = gate.servers.stack.home.logs / "shop.log"
    environment = {**os.environ, "WRITEGATE_BROKER_URL": gate.broker.url(), "WRITEGATE_SPOOL_DIRECTORY": str(tmp_path)}
    with log.open("wb") as output:
        worker = subprocess.Popen(line, env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        with Celery("caller", broker=gate.broker.url(), set_as_current=False) as caller:
            for number in range(20):
                caller.send_task("shop.sell", kwargs={"account": f"prefork-{number}"}, queue="shop")
            for number in range(20):
                gate.database.wait_entries(f"prefork-{number}", 2, PATIENCE_SECONDS)
    except AssertionError as error:
        raise AssertionError(f"{error}\n--- {log}\n{Path(log).read_text()[-3000:]}") from None
    finally:
        worker.terminate()
        worker.wait(PATIENCE_SECONDS)
    gate.database.assert_exactly_once("prefork-7", [1, 2])
