"""How long those who guess passwords have to wait."""

from __future__ import annotations

import pytest

from writegate_console.web.security.login import network_of
from writegate_console.web.state.throttle import FREE_FAILURES, FREE_FAILURES_OF_NETWORK, LoginThrottle


def test_waits_grow_and_end() -> None:
    now = [0.0]
    throttle, waits = LoginThrottle(lambda: now[0]), []
    who = ("olga", "10.0.0.7")
    for _ in range(20):
        throttle.failed(*who)
        waits.append(throttle.wait_seconds(*who))
        now[0] += waits[-1]
    assert waits[:FREE_FAILURES] == [0.0] * FREE_FAILURES
    assert waits[FREE_FAILURES : FREE_FAILURES + 4] == [1.0, 2.0, 4.0, 8.0]
    assert max(waits) == 300.0
    throttle.succeeded(*who)
    assert throttle.wait_seconds(*who) == 0.0


def test_names_that_were_tried_take_no_more_than_some_memory() -> None:
    throttle = LoginThrottle()
    for number in range(25_000):
        throttle.failed(f"user {number}", "10.0.0.7")
    assert len(throttle) == 10_000


def test_somebody_who_guesses_keeps_nobody_out_elsewhere() -> None:
    throttle = LoginThrottle()
    for _ in range(100):
        throttle.failed("olga", "10.0.0.7")
    assert throttle.wait_seconds("olga", "10.0.0.7") > 0
    assert throttle.wait_seconds("olga", "10.0.0.8") == 0.0


def test_an_office_may_mistype_more_than_a_person() -> None:
    throttle = LoginThrottle()
    for number in range(FREE_FAILURES_OF_NETWORK):
        throttle.failed(f"user {number}", "10.0.0.7")
    assert throttle.wait_seconds("olga", "10.0.0.7") == 0.0
    throttle.failed("one more", "10.0.0.7")
    assert throttle.wait_seconds("olga", "10.0.0.7") > 0


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("10.0.0.7", "10.0.0.7"),
        ("2001:db8::7", "2001:db8::/64"),
        ("2001:db8::ffff:7", "2001:db8::/64"),
        ("2001:db8:0:1::7", "2001:db8:0:1::/64"),
        ("::ffff:10.0.0.7", "10.0.0.7"),
        ("what a proxy said", "what a proxy said"),
    ],
)
def test_whoever_has_an_address_of_ipv6_has_the_network(address: str, network: str) -> None:
    assert network_of(address) == network
