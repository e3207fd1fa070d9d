"""What is believed of a message: only what the broker has verified."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.hostile import any_headers, any_properties
from writegate.contract.users import OPERATOR, WRITER
from writegate_writer.receive.verified import UNVERIFIED, Verified, reply_address, verify

DIRECT = "amq.rabbitmq.reply-to.g1h2AAtyYWJiaXRAaG9zdAAAAvYAAAAAZk8CBA==.hn3+Iq/4ZeQ=="
# The same in every process that collects these tests.
UUID = "6ea1a70f-9991-4618-9206-a9ac94f57523"


def verified(headers: dict[str, Any] | None = None, *, redelivered: bool = False, **properties: Any) -> Verified:
    return verify({"id": "c-1", **(headers or {})}, properties, redelivered=redelivered)


def test_the_origin_is_the_user_that_the_broker_has_verified() -> None:
    assert verified(user_id="shop").origin == "shop"
    assert verified({"writegate-user": "bank"}, user_id="shop").origin == "shop"


@pytest.mark.parametrize("user", [None, "", 5, "a\0b", "\udc80"])
def test_without_a_user_it_is_unverified(user: Any) -> None:
    assert verified({"writegate-user": "bank"}, user_id=user).origin == UNVERIFIED
    assert verified({"writegate-user": "bank"}).origin == UNVERIFIED


@pytest.mark.parametrize("ours", [WRITER, OPERATOR])
def test_users_of_ours_publish_for_others(ours: str) -> None:
    assert verified({"writegate-user": "bank"}, user_id=ours).origin == "bank"
    assert verified(user_id=ours).origin == ours
    assert verified({"writegate-user": UNVERIFIED}, user_id=ours).origin == UNVERIFIED


def test_only_a_writer_has_forwarded_a_message() -> None:
    assert verified({"writegate-hops": 1}, user_id=WRITER).forwarded
    assert not verified({"writegate-hops": 1}, user_id="shop").forwarded
    assert not verified({"writegate-hops": 1}).forwarded


@pytest.mark.parametrize("address", [DIRECT, UUID, UUID.upper()])
def test_a_reply_goes_to_who_asks(address: str) -> None:
    assert verified(reply_to=address) == Verified(reply_to=address)
    # Whoever sent no id could not tell what the reply is about.
    assert verify({}, {"reply_to": address}, redelivered=False).reply_to is None


@pytest.mark.parametrize(
    "address",
    [
        "writer-1@host.celery.pidbox",
        f"{UUID}.reply.celery.pidbox",
        "writes.trial.0",
        "writes.trial.dead",
        "celeryev",
        "amq.rabbitmq.reply-to",
        "amq.rabbitmq.reply-to.",
        f"{DIRECT}\n",
        f"{UUID}\n",
        UUID.replace("-", ""),
        f"x{UUID}",
        "a\0b",
        "\udc80",
        5,
    ],
)
def test_a_reply_goes_to_no_other_queue(address: Any) -> None:
    assert reply_address(address) is None
    assert verified(reply_to=address) == Verified(reply_refused=True)


def test_deliveries_count_only_when_the_broker_counts_them() -> None:
    assert verified({"x-delivery-count": 10}).deliveries == 0
    assert verified({"x-delivery-count": 10}, redelivered=True).deliveries == 10
    assert verified({"x-delivery-count": -5}, redelivered=True).deliveries == 0
    assert verified({"x-delivery-count": "10"}, redelivered=True).deliveries == 0


@given(any_headers, any_properties, st.booleans())
def test_whatever_comes_it_never_fails(headers: dict[str, Any], properties: dict[str, Any], redelivered: bool) -> None:
    believed = verify(headers, properties, redelivered=redelivered)
    assert believed.deliveries >= 0
    assert believed.origin
