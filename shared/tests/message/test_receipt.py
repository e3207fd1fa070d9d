"""Receipts travel as Celery result messages, so that a stock ``AsyncResult`` understands them."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from celery import Celery
from celery.backends.base import Backend
from celery.states import READY_STATES
from hypothesis import given
from hypothesis import strategies as st

from writegate.message.receipt import (
    Cause,
    Outcome,
    Receipt,
    from_result_message,
    to_result_message,
    unknown_result_message,
)
from writegate.receipt import Declined, Parked

APPLIED = Receipt("c-1", "applied", 7, "0/1A", datetime(2013, 1, 1, tzinfo=UTC), {"seats": 3})
DECLINED = Receipt("c-3", "declined", 7, cause=Cause("declined", "no seats left"))
PARKED = Receipt("c-2", "parked", cause=Cause("sqlstate-23514", "distance must be above 0", "23514"))

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
receipts = st.builds(
    Receipt,
    st.text(min_size=1),
    st.sampled_from(["applied", "duplicate", "declined", "parked", "deferred"]),
    xid=st.none() | st.integers(0, 2**63),
    commit_lsn=st.none() | st.text(),
    committed_at=st.none() | st.datetimes(timezones=st.just(UTC)),
    result=json_values,
    cause=st.none() | st.builds(Cause, st.text(), st.text(), st.none() | st.text()),
)


@given(receipts)
def test_a_receipt_comes_back_as_it_was(receipt: Receipt) -> None:
    assert from_result_message(to_result_message(receipt)) == receipt


def test_an_unknown_command_comes_back_as_none() -> None:
    assert from_result_message(unknown_result_message("c-1")) is None


@pytest.mark.parametrize(
    ("outcome", "final", "succeeded"),
    [
        ("applied", True, True),
        ("duplicate", True, True),
        ("declined", True, False),
        ("parked", True, False),
        ("deferred", False, False),
    ],
)
def test_what_an_outcome_means(outcome: Outcome, final: bool, succeeded: bool) -> None:
    receipt = Receipt("c", outcome)
    assert (receipt.final, receipt.succeeded, receipt.reason) == (final, succeeded, None)


def test_celery_sees_success_with_the_receipt_as_its_result() -> None:
    meta = json.loads(to_result_message(APPLIED))
    assert set(meta) == {"task_id", "status", "result", "traceback", "children"}
    assert (meta["task_id"], meta["status"]) == ("c-1", "SUCCESS")
    assert meta["result"]["outcome"] == "applied"
    assert meta["result"]["result"] == {"seats": 3}


@pytest.mark.parametrize(
    ("receipt", "error"),
    [(PARKED, Parked("distance must be above 0")), (DECLINED, Declined("no seats left"))],
)
def test_celery_raises_a_failure_with_its_reason(receipt: Receipt, error: Exception) -> None:
    meta = Backend(app=Celery(set_as_current=False)).meta_from_decoded(json.loads(to_result_message(receipt)))
    assert meta["status"] == "FAILURE"
    with pytest.raises(type(error), match=str(error)):
        raise meta["result"]


def test_for_celery_a_deferred_command_is_not_ready() -> None:
    meta = json.loads(to_result_message(Receipt("c-4", "deferred", cause=Cause("deferred", "held"))))
    assert meta["status"] not in READY_STATES
