"""What a message may cost, and what is kept of one that costs more."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import replace
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.hostile import any_headers
from tests.sample import LANES, Deposit, accounts, delivered, delivered_many, delivery, now_millis
from writegate import Command, Service
from writegate.contract.lanes import lane_of
from writegate.message.body import MAX_BODY_BYTES
from writegate.message.envelope import MAX_PARTS, encode, encode_many, item_of
from writegate_writer.broker.memory_size import memory_size
from writegate_writer.receive.delivery import Arrived, Delivery, Refused
from writegate_writer.receive.kept import MAX_PREFIX_BYTES, kept_headers
from writegate_writer.receive.limits import MAX_HEADER_BYTES, header_bytes
from writegate_writer.receive.reading import read

DEPOSIT = Deposit(account="a-1", amount=5)
LANE = lane_of("a-1", LANES)


def refused(arriving: Delivery) -> Refused:
    """Return the one row that a message becomes."""
    (part,) = read(arriving, accounts, now_millis())
    assert isinstance(part, Refused), part
    return part


def test_large_headers_make_one_row_whatever_is_in_the_message() -> None:
    many = [item_of(Deposit(account="a-1", amount=number + 1)) for number in range(100)]
    part = refused(delivery(encode_many("m-1", many), LANE, headers={"x": "y" * MAX_HEADER_BYTES}))
    assert part.cause.cause == "large-headers"
    assert "at most 16384 bytes of headers" in part.cause.message
    [kept] = map(json.loads, kept_headers([part.delivery]))
    assert kept["id"] == "m-1"
    assert len(json.dumps(kept)) < 1000


def test_headers_up_to_the_limit_are_taken() -> None:
    rest = MAX_HEADER_BYTES - header_bytes(encode(item_of(DEPOSIT)).headers) - len("x") - 1 - 5
    (part,) = read(delivered(DEPOSIT, headers={"x": "y" * rest}), accounts, now_millis())
    assert isinstance(part, Arrived)
    assert refused(delivered(DEPOSIT, headers={"x": "y" * (rest + 1)})).cause.cause == "large-headers"


@given(any_headers)
def test_what_headers_take_in_memory_is_never_less(headers: dict[str, Any]) -> None:
    assert memory_size(headers) >= header_bytes(headers)


@pytest.mark.parametrize("value", [["y"] * 9000, {str(number): number for number in range(3000)}, [[[]] * 9] * 400])
def test_many_small_values_are_large_too(value: Any) -> None:
    assert refused(delivered(DEPOSIT, headers={"x": value})).cause.cause == "large-headers"


def test_a_body_over_the_limit_is_kept_as_its_beginning_with_size_and_digest() -> None:
    body = b"[[],{" + b"x" * MAX_BODY_BYTES
    part = refused(replace(delivered(DEPOSIT), body=body))
    assert part.raw == body[:MAX_PREFIX_BYTES]
    assert part.cause.cause == "too-large"
    assert str(len(body)) in part.cause.message
    assert hashlib.sha256(body).hexdigest() in part.cause.message


def test_headers_of_a_message_are_stored_once() -> None:
    commands = [Deposit(account="a-1", amount=number + 1) for number in range(MAX_PARTS)]
    arriving = replace(delivered_many(commands, LANE))
    arriving.headers = {**arriving.headers, "x": "y" * 10_000}
    parts = read(arriving, accounts, now_millis())
    kept = kept_headers(part.delivery for part in parts)
    assert json.loads(kept[0])["x"] == "y" * 10_000
    assert {json.loads(text)["id"] for text in kept} == {"many-1"}
    assert sum(map(len, kept)) < 200 * MAX_PARTS + 11_000


class Signed(Command, key="name"):
    """A command of a service that wants to know who published it."""

    name: str


strict = Service("strict_test", commands=[Signed], require_user_id=True)


class Slow(Command, key="name"):
    """A command whose contract takes its time."""

    name: str


def test_a_message_that_takes_too_long_to_read_makes_one_row(monkeypatch: pytest.MonkeyPatch) -> None:
    service = Service("slow_test", commands=[Slow])
    seconds = count()
    monkeypatch.setattr(time, "thread_time", lambda: next(seconds))
    message = encode_many("m-1", [item_of(Slow(name=str(number))) for number in range(99)])
    (part,) = read(Delivery("slow_test", 0, 1, 0, message.body, message.headers, message.properties), service, 0)
    assert isinstance(part, Refused)
    assert part.cause.cause == "too-slow"
    assert part.raw == message.body, "for people to replay"


def test_a_service_may_require_to_know_who_published() -> None:
    message = encode(item_of(Signed(name="x")))
    for user, kind in ((None, Refused), ("shop", Arrived)):
        arriving = delivery(message, user_id=user)
        (part,) = read(replace(arriving, service="strict_test"), strict, 0)
        assert isinstance(part, kind), part
        assert user or (isinstance(part, Refused) and part.cause.cause == "unverified")


@given(any_headers, st.integers(0, 3))
def test_whatever_comes_headers_have_a_size_and_are_kept(headers: dict[str, Any], more: int) -> None:
    assert header_bytes(headers) >= 0
    arriving = Delivery("accounts", 0, 1, 0, b"", headers, {})
    for text in kept_headers([arriving] * (more + 1)):
        assert isinstance(json.loads(text), dict)
