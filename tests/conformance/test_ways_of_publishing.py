"""What every way of publishing promises, against a real broker."""

from __future__ import annotations

import json
import time
from collections import defaultdict

import pytest

from tests.broker import Vhost
from tests.conformance.conftest import Way
from tests.sample import LANES, Deposit, Note, accounts
from writegate import Service
from writegate.errors import (
    AccessDenied,
    PublisherClosed,
    PublishError,
    PublishTimeout,
    QueueFull,
    TooLarge,
    Unroutable,
)
from writegate.lanes import lane_of
from writegate.publish import Publisher

HUGE = Note(text="x" * 300_000)


def test_a_command_is_in_its_lane_when_the_call_returns(vhost: Vhost, way: Way) -> None:
    vhost.declare(accounts)
    command = Deposit(account="Zoë", amount=3)
    before = int(time.time())
    with Publisher(vhost.settings(), app_id="shop") as publisher:
        way(publisher, [command])
        (message,) = vhost.take(accounts, lane_of("Zoë", LANES), 1)
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


def test_order_per_key_is_that_of_the_calls(vhost: Vhost, way: Way) -> None:
    vhost.declare(accounts)
    commands = [Deposit(account=f"a-{number % 7}", amount=number + 1) for number in range(140)]
    with Publisher(vhost.settings()) as publisher:
        way(publisher, commands)
    expected, came = defaultdict(list), defaultdict(list)
    for command in commands:
        expected[command.account].append(command.command_id)
    for lane in range(LANES):
        here = [command for command in commands if lane_of(command.account, LANES) == lane]
        for message in vhost.take(accounts, lane, len(here)):
            for item in message.items:
                came[item.key].append(item.id)
    assert came == expected


def test_without_exchange_or_queue_it_is_unroutable(vhost: Vhost, way: Way) -> None:
    command = Deposit(account="a-1", amount=1)
    with Publisher(vhost.settings()) as publisher:
        with pytest.raises(Unroutable, match=r"no exchange 'writes.accounts'") as raised:
            way(publisher, [command])
        assert raised.value.command_id == command.command_id
        vhost.declare(Service("accounts", commands=[], lanes=1))
        elsewhere = next(f"a-{number}" for number in range(99) if lane_of(f"a-{number}", LANES) == 3)
        with pytest.raises(Unroutable, match=r"no queue for writes.accounts 3: run `writegate apply`"):
            way(publisher, [Deposit(account=elsewhere, amount=1)])
        way(publisher, [Note(text="and the publisher goes on")])


def test_a_full_lane_refuses_and_what_was_accepted_is_in_order(vhost: Vhost, way: Way) -> None:
    small = Service("accounts", commands=[], lanes=LANES, max_waiting=5)
    vhost.declare(small)
    accepted: list[str] = []
    refused: dict[str, QueueFull] = {}
    with Publisher(vhost.settings()) as publisher:
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
        came = [item.id for message in vhost.take(accounts, lane, len(accepted)) for item in message.items]
        assert came == accepted
        way(publisher, [Deposit(account="a-1", amount=99)])


def test_what_is_too_large_is_refused_before_anything_is_sent(vhost: Vhost, way: Way) -> None:
    vhost.declare(accounts)
    with Publisher(vhost.settings()) as publisher:
        with pytest.raises(TooLarge, match=r"accounts.note is 300011 bytes of JSON, at most") as raised:
            way(publisher, [HUGE])
        assert not raised.value.retryable
    assert vhost.waiting(accounts, 0) == 0


def test_a_user_publishes_where_it_may_and_nowhere_else(vhost: Vhost, way: Way) -> None:
    vhost.declare(accounts)
    url = vhost.user("stranger", write=r"^writes\.elsewhere$")
    stranger = r"access to exchange 'writes.accounts' .* refused for user 'stranger'"
    with Publisher(vhost.settings(url)) as publisher, pytest.raises(AccessDenied, match=stranger):
        way(publisher, [Deposit(account="a-1", amount=1)])
    url = vhost.user("owner", write=r"^writes\.accounts$")
    with Publisher(vhost.settings(url)) as publisher:
        way(publisher, [Note(text="allowed")])
    (message,) = vhost.take(accounts, 0, 1)
    assert (message.properties.user_id, message.properties.app_id) == ("owner", "owner")


def test_a_closed_publisher_says_so(vhost: Vhost, way: Way) -> None:
    publisher = Publisher(vhost.settings())
    publisher.close()
    publisher.close()
    with pytest.raises(PublisherClosed, match="this publisher is closed"):
        way(publisher, [Note(text="late")])


@pytest.mark.parametrize("problem", ["nobody listens", "wrong password"])
def test_without_a_broker_it_fails_within_its_time_limit_and_says_why(vhost: Vhost, way: Way, problem: str) -> None:
    url, why = {
        "nobody listens": ("amqp://u:secret@127.0.0.1:1/", "refused"),
        "wrong password": (vhost.url(password="wrong-secret"), "ACCESS_REFUSED"),
    }[problem]
    settings = vhost.settings(url, publish_timeout_seconds=0.7)
    command, started = Note(text="x"), time.monotonic()
    with Publisher(settings) as publisher:
        with pytest.raises(PublishTimeout, match="no confirm in time; not connected") as raised:
            way(publisher, [command])
        assert 0.7 <= time.monotonic() - started < 3
        assert not publisher.connected
    error: PublishError = raised.value
    assert (error.command_id, error.retryable) == (command.command_id, True)
    assert why in str(error)
    assert "secret" not in str(error)


def test_publishing_the_same_object_again_is_the_same_command(vhost: Vhost, way: Way) -> None:
    vhost.declare(accounts)
    command = Note(text="once")
    with Publisher(vhost.settings()) as publisher:
        way(publisher, [command])
        way(publisher, [command])
    assert vhost.waiting(accounts, 0) == 2
    assert {item.id for message in vhost.take(accounts, 0, 1) for item in message.items} == {command.command_id}
