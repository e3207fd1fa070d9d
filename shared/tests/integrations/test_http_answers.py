"""How publishing looks over HTTP."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from tests.example_commands import departure
from writegate.errors import InvalidCommand, PublishTimeout, QueueFull, TooLarge, Unroutable
from writegate.integrations import http
from writegate.message.receipt import Cause, Receipt

APPLIED = Receipt("7", "applied", xid=12, commit_lsn="0/1A", committed_at=datetime(2013, 1, 1, tzinfo=UTC))
PARKED = Receipt("7", "parked", cause=Cause("check_violation", "distance", "23514"))


@pytest.mark.parametrize(
    ("prefer", "seconds"),
    [
        (None, None),
        ("", None),
        ("respond-async", None),
        ("wait=2", 2.0),
        ("respond-async, wait=10", 10.0),
        ("Wait = 3; foo", 3.0),
        ("wait=9999", http.LONGEST_WAIT_SECONDS),
        ("wait=-1", None),
        ("wait=soon", None),
        ("await=2", None),
    ],
)
def test_preferred_wait(prefer: str | None, seconds: float | None) -> None:
    assert http.preferred_wait(prefer) == seconds


def test_accepted_says_where_the_receipt_will_be() -> None:
    answer = http.accepted("7")
    assert (answer.status, answer.body, answer.headers["Location"]) == (202, {"id": "7"}, "/receipts/7")


def test_committed_is_created() -> None:
    answer = http.decided(APPLIED)
    assert answer.status == 201
    assert json.loads(answer.json())["committed_at"] == "2013-01-01T00:00:00Z"


def test_parked_tells_its_cause() -> None:
    answer = http.decided(PARKED)
    assert answer.status == 422
    assert json.loads(answer.json())["cause"] == {
        "cause": "check_violation",
        "message": "distance",
        "sqlstate": "23514",
    }


def test_declined_is_a_conflict_and_says_why() -> None:
    answer = http.decided(Receipt("7", "declined", cause=Cause("declined", "no seats left")))
    assert (answer.status, json.loads(answer.json())["cause"]["message"]) == (409, "no seats left")


def test_deferred_is_not_decided() -> None:
    assert http.decided(Receipt("7", "deferred")).status == 202


def test_a_receipt_is_there_or_not() -> None:
    assert http.looked_up("7", APPLIED).status == 200
    assert http.looked_up("7", PARKED).status == 200
    assert http.looked_up("7", None).status == 404


def test_wrong_fields_are_named() -> None:
    with pytest.raises(ValidationError) as caught:
        departure(number="many", pilot="Kim")
    answer = http.invalid(caught.value)
    assert answer.status == 422
    assert [error["path"] for error in answer.body["errors"]] == ["number", "pilot"]


def test_what_no_writer_takes_is_named_as_wrong_fields_are() -> None:
    answer = http.refused(InvalidCommand("7", "flights.record_departure", "tail", "expected text without NUL"))
    assert (answer.status, answer.body) == (
        422,
        {"errors": [{"path": "tail", "message": "expected text without NUL"}]},
    )


@pytest.mark.parametrize(
    ("error", "status", "retry"),
    [
        (QueueFull("7", "full"), 503, True),
        (PublishTimeout("7", "late"), 503, True),
        (Unroutable("7", "no queue"), 500, False),
        (TooLarge("7", "too large"), 413, False),
    ],
)
def test_what_was_not_accepted(error: QueueFull, status: int, retry: bool) -> None:
    answer = http.refused(error)
    assert (answer.status, "Retry-After" in answer.headers) == (status, retry)
    assert answer.body["id"] == "7"
