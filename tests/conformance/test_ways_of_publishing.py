"""What every way of publishing promises, to RabbitMQ and to the broker in memory."""

from __future__ import annotations

import json
import os
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic_core import from_json

from tests.broker import DEADLINE_SECONDS
from tests.conformance.brokers import Broker, RabbitMq
from tests.conformance.conftest import Way
from tests.deadlines import patient
from tests.sample import LANES, Deposit, Note, accounts
from writegate import Service
from writegate.contract.lanes import lane_of
from writegate.errors import (
    AccessDenied,
    LoginRefused,
    PublisherClosed,
    PublishError,
    PublishTimeout,
    QueueFull,
    ReceiptTimeout,
    TooLarge,
    Unroutable,
    UsedAfterFork,
)
from writegate.message.envelope import item_of
from writegate.message.receipt import Receipt, to_result_message, unknown_result_message
from writegate.message.topology import route_of
from writegate.publishing import Publisher
from writegate.telemetry.prometheus import LOGIN_REFUSED
from writegate_devkit.stack.readiness import wait_until

HUGE = Note(text="x" * 300_000)


def test_a_command_is_in_its_lane_when_the_call_returns(broker: Broker, way: Way) -> None:
    broker.declare(accounts)
    command = Deposit(account="Zoë", amount=3)
    before = int(time.time())
    with broker.publisher(app_id="shop") as publisher:
        way(publisher, [command])
        (message,) = broker.take(accounts, lane_of("Zoë", LANES), 1)
        assert publisher.connected
    properties = message.properties
    assert (properties.content_type, properties.content_encoding) == ("application/json", "utf-8")
    assert (properties.delivery_mode, properties.app_id, properties.user_id) == (2, "shop", publisher.user)
    assert (properties.correlation_id, properties.headers["id"]) == (command.command_id, command.command_id)
    assert (properties.headers["task"], properties.headers["writegate-version"]) == ("accounts.deposit", 1)
    assert properties.headers["writegate-key"] == "Zoë"
    assert before <= properties.timestamp <= time.time()
    embed = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
    assert json.loads(message.body) == [[], {"account": "Zoë", "amount": 3}, embed]


def test_order_per_key_is_that_of_the_calls(broker: Broker, way: Way) -> None:
    broker.declare(accounts)
    commands = [Deposit(account=f"a-{number % 7}", amount=number + 1) for number in range(140)]
    with broker.publisher() as publisher:
        way(publisher, commands)
    expected, came = defaultdict(list), defaultdict(list)
    for command in commands:
        expected[command.account].append(command.command_id)
    for lane in range(LANES):
        here = [command for command in commands if lane_of(command.account, LANES) == lane]
        for message in broker.take(accounts, lane, len(here)):
            for item in message.items:
                came[item.key].append(item.id)
    assert came == expected


def test_without_exchange_or_queue_it_is_unroutable(broker: Broker, way: Way) -> None:
    command = Deposit(account="a-1", amount=1)
    with broker.publisher() as publisher:
        with pytest.raises(Unroutable, match=r"no exchange 'writes.accounts'") as raised:
            way(publisher, [command])
        assert raised.value.command_id == command.command_id
        broker.declare(Service("accounts", commands=[], lanes=1))
        elsewhere = next(f"a-{number}" for number in range(99) if lane_of(f"a-{number}", LANES) == 3)
        with pytest.raises(Unroutable, match=r"no queue for writes.accounts 3: run `writegate apply`"):
            way(publisher, [Deposit(account=elsewhere, amount=1)])
        way(publisher, [Note(text="and the publisher goes on")])


def test_a_full_lane_refuses_and_what_was_accepted_is_in_order(broker: Broker, way: Way) -> None:
    small = Service("accounts", commands=[], lanes=LANES, max_waiting=5)
    broker.declare(small)
    accepted: list[str] = []
    refused: dict[str, QueueFull] = {}
    with broker.publisher() as publisher:
        for number in range(30):
            command = Deposit(account="a-1", amount=number + 1)
            try:
                way(publisher, [command])
            except QueueFull as error:
                refused[command.command_id] = error
            else:
                accepted.append(command.command_id)
        assert len(refused) >= 10
        assert all(error.retryable and error.command_id == command for command, error in refused.items())
        lane = lane_of("a-1", LANES)
        came = [item.id for message in broker.take(accounts, lane, len(accepted)) for item in message.items]
        assert came == accepted
        way(publisher, [Deposit(account="a-1", amount=99)])


def test_a_lane_is_full_by_bytes_too(broker: Broker, way: Way) -> None:
    broker.declare(Service("accounts", commands=[], lanes=LANES, max_waiting_bytes=50_000))
    with broker.publisher() as publisher:
        with pytest.raises(QueueFull):
            _publish_until_refused(way, publisher)
        broker.take(accounts, 0, 1)
        way(publisher, [Note(text="and there is room again")])


def _publish_until_refused(way: Way, publisher: Publisher) -> None:
    for _ in range(20):
        way(publisher, [Note(text="x" * 10_000)])


def test_what_is_too_large_is_refused_before_anything_is_sent(broker: Broker, way: Way) -> None:
    broker.declare(accounts)
    with broker.publisher() as publisher:
        with pytest.raises(TooLarge, match=r"accounts.note is 300011 bytes of JSON, at most") as raised:
            way(publisher, [HUGE])
        assert not raised.value.retryable
    assert broker.waiting(accounts, 0) == 0


def test_a_user_publishes_where_it_may_and_nowhere_else(broker: Broker, way: Way) -> None:
    broker.declare(accounts)
    broker.user("stranger", write=r"^writes\.elsewhere$")
    stranger = r"access to exchange 'writes.accounts' .* refused for user 'stranger'"
    with broker.publisher("stranger") as publisher, pytest.raises(AccessDenied, match=stranger):
        way(publisher, [Deposit(account="a-1", amount=1)])
    broker.user("owner", write=r"^writes\.accounts$")
    with broker.publisher("owner") as publisher:
        way(publisher, [Note(text="allowed")])
    (message,) = broker.take(accounts, 0, 1)
    assert (message.properties.user_id, message.properties.app_id) == ("owner", "owner")


def test_a_closed_publisher_says_so(broker: Broker, way: Way) -> None:
    publisher = broker.publisher()
    publisher.close()
    publisher.close()
    with pytest.raises(PublisherClosed, match="this publisher is closed"):
        way(publisher, [Note(text="late")])


def test_without_a_broker_it_fails_within_its_time_limit_and_says_why(broker: Broker, way: Way) -> None:
    command = Note(text="x")
    with broker.away(), broker.publisher(publish_timeout_seconds=0.7) as publisher:
        started = time.monotonic()
        with pytest.raises(PublishTimeout, match="no confirm in time; not connected") as raised:
            way(publisher, [command])
        assert 0.7 <= time.monotonic() - started < patient(10)
        assert not publisher.connected
    error: PublishError = raised.value
    assert (error.command_id, error.retryable) == (command.command_id, True)
    assert "secret" not in str(error)


@pytest.mark.parametrize("spool", [False, True])
def test_a_wrong_password_is_an_error_of_the_first_call_and_not_a_spooled_command(
    broker: Broker, way: Way, spool: bool, tmp_path: Path
) -> None:
    command = Note(text="x")
    with broker.publisher(password="wrong-secret", spool_directory=str(tmp_path) if spool else "off") as publisher:
        for _ in range(2):
            with pytest.raises(LoginRefused, match=r"ACCESS_REFUSED.*check WRITEGATE_BROKER_URL") as raised:
                way(publisher, [command])
        assert "ACCESS_REFUSED" in str(publisher.login_refused)
    error: PublishError = raised.value
    assert (error.command_id, error.retryable) == (command.command_id, False)
    assert "wrong-secret" not in str(error)


def refusals(user: str) -> float:
    """The figure that the alert asks for."""
    [metric] = LOGIN_REFUSED.labels(user).collect()
    return metric.samples[0].value


def test_a_password_that_is_changed_under_a_running_process_loses_nothing_and_is_an_alarm(
    broker: Broker, way: Way, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broker.declare(accounts)
    name = f"rotated-{tmp_path.parent.name}-{tmp_path.name}".lower()
    broker.user(name, write=".*")
    notes = [Note(text=str(number)) for number in range(3)]
    settings = {"spool_directory": str(tmp_path), "telemetry": "prometheus"}
    with broker.publisher(user=name, **settings) as publisher:
        way(publisher, notes[:1])
        with broker.away():
            broker.user(name, write=".*", password="another")
        assert wait_until(lambda: publisher.login_refused is not None, DEADLINE_SECONDS)
        assert refusals(name) == 1
        way(publisher, notes[1:2])
        broker.user(name, write=".*", password="secret")
        if isinstance(broker, RabbitMq):
            assert any(getattr(record, "event", "") == "publisher.login_refused" for record in caplog.records)
        else:
            with broker.away():  # the one in memory connects again when it comes back, and only then
                pass
        assert wait_until(lambda: publisher.connected, DEADLINE_SECONDS)
        assert publisher.login_refused is None
        assert refusals(name) == 0
        way(publisher, notes[2:])
        assert publisher.wait_confirmed(DEADLINE_SECONDS)
    came = [item.id for message in broker.take(accounts, 0, 3) for item in message.items]
    assert list(dict.fromkeys(came)) == [note.command_id for note in notes]


def test_a_blocked_broker_is_named_and_holds_no_call_beyond_its_time_limit(broker: Broker, way: Way) -> None:
    broker.declare(accounts)
    late = Note(text="late")
    with broker.publisher() as publisher:
        way(publisher, [Note(text="before")])
    with broker.publisher(publish_timeout_seconds=1.0) as publisher:

        def named() -> bool:
            """Whether the broker's block is given as the reason: its time limit may pass before it is connected."""
            with pytest.raises(PublishTimeout) as raised:
                way(publisher, [late])
            return "the broker blocks publishers: low on memory" in str(raised.value)

        with broker.blocked():
            assert wait_until(named, DEADLINE_SECONDS)
        assert wait_until(lambda: publisher.connected, DEADLINE_SECONDS)
        publisher.publish(late, timeout=DEADLINE_SECONDS)
    assert late.command_id in {item.id for message in broker.take(accounts, 0, 2) for item in message.items}


def test_a_lost_connection_is_made_again_and_the_call_goes_on(broker: Broker, way: Way) -> None:
    broker.declare(accounts)
    first, second = (Deposit(account="a-1", amount=amount) for amount in (1, 2))
    with broker.publisher() as publisher, ThreadPoolExecutor(1) as threads:
        way(publisher, [first])
        with broker.away():
            assert wait_until(lambda: not publisher.connected, DEADLINE_SECONDS)
            call = threads.submit(way, publisher, [second])
            assert not call.done()
        call.result(DEADLINE_SECONDS)
    came = [item.id for message in broker.take(accounts, lane_of("a-1", LANES), 2) for item in message.items]
    assert list(dict.fromkeys(came)) == [first.command_id, second.command_id]


def test_what_is_spooled_while_the_broker_is_away_arrives_in_order(broker: Broker, way: Way, tmp_path: Path) -> None:
    broker.declare(accounts)
    commands = [Deposit(account="a-1", amount=amount) for amount in range(1, 7)]
    with broker.publisher(spool_directory=str(tmp_path)) as publisher:
        way(publisher, commands[:2])
        with broker.away():
            assert wait_until(lambda: not publisher.connected, DEADLINE_SECONDS)
            assert publisher.publish(commands[2]).accepted_by == "spooled"
            way(publisher, commands[3:])
        came = broker.take(accounts, lane_of("a-1", LANES), len(commands))
    ids = [item.id for message in came for item in message.items]
    assert list(dict.fromkeys(ids)) == [command.command_id for command in commands]


def test_a_receipt_is_what_was_replied(broker: Broker) -> None:
    broker.declare(accounts)
    command = Note(text="x")
    receipt = Receipt(command.command_id, "applied", 7, result={"n": 1})
    with broker.publisher() as publisher:
        with broker.answering(to_result_message(receipt), unknown_result_message("c-2")):
            assert publisher.publish(command, receipt=True).wait(DEADLINE_SECONDS) == receipt
            assert publisher.lookup(accounts.name, "c-2", DEADLINE_SECONDS) is None
        with pytest.raises(ReceiptTimeout):
            publisher.publish(Note(text="y"), receipt=True).wait(0.05)


def test_a_forked_child_is_told_that_the_publisher_is_not_its_own(broker: Broker, way: Way) -> None:
    broker.declare(accounts)
    with broker.publisher() as publisher:
        way(publisher, [Note(text="before")])
        child = os.fork()
        if child == 0:
            try:
                way(publisher, [Note(text="from the child")])
            except UsedAfterFork:
                os._exit(7)
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        way(publisher, [Note(text="after")])
    texts = [from_json(item.fields)["text"] for message in broker.take(accounts, 0, 2) for item in message.items]
    assert texts == ["before", "after"]


def test_what_amqp_has_no_room_for_fails_alone(broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    broker.declare(accounts)
    item = replace(item_of(Note(text="x")), id="x" * 300)  # the SDK would refuse such an id
    with broker.publisher() as publisher:
        sent = publisher.forward([(route_of(accounts.name, None, LANES), item)], {})
        with pytest.raises(PublishError, match="it cannot be sent"):
            sent.result(DEADLINE_SECONDS)
        assert "a message cannot be sent" in caplog.text
        publisher.publish(Note(text="and it goes on"))


def test_publishing_the_same_object_again_is_the_same_command(broker: Broker, way: Way) -> None:
    broker.declare(accounts)
    command = Note(text="once")
    with broker.publisher() as publisher:
        way(publisher, [command])
        way(publisher, [command])
    assert broker.waiting(accounts, 0) == 2
    assert {item.id for message in broker.take(accounts, 0, 1) for item in message.items} == {command.command_id}
