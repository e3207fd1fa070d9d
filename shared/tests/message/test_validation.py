"""What the writer would refuse does not leave the publisher, and the error says where it is."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from pydantic import BaseModel, Field, ValidationError

from tests.hostile import json_values
from tests.sample import LANES, Deposit, accounts, delivery, now_millis
from writegate import Command, Service
from writegate.contract.lanes import lane_of
from writegate.errors import InvalidCommand, PublishError
from writegate.message.envelope import encode_many, item_of
from writegate.message.validation import fields_of
from writegate_writer.receive.delivery import Arrived
from writegate_writer.receive.reading import read


class Inner(BaseModel):
    weight: float | None = None
    name: str = ""


@dataclass
class Plain:
    weight: float


class Load(Command, key="name"):
    name: str = "n"
    weight: float | None = None
    data: Any = None
    inner: tuple[Inner, ...] = ()
    plain: Plain | None = None
    named: dict[str, Inner] = Field(default_factory=dict)


loads = Service("checking_test", commands=[Load])

TEXT = "expected text without NUL and lone surrogates, which PostgreSQL cannot store"
NUMBER = "expected a finite number, which JSON has only, got "


ROUND: list[Any] = []
ROUND.append(ROUND)


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("command", "path", "reason"),
    [
        (Load(data="a\0b"), "data", TEXT),
        (Load(data="\ud800"), "data", TEXT),
        (Load(inner=(Inner(), Inner(name="\0"))), "inner.1.name", TEXT),
        (Load(named={"x": Inner(name="\udfff")}), "named.x.name", TEXT),
        (Load(named={"a\0": Inner()}), "named.'a\\x00'", TEXT),
        (Load(data={"list": [1, (2, math.nan)]}), "data.list.1.1", NUMBER + "nan"),
        (Load(data=-math.inf), "data", NUMBER + "-inf"),
        (Load(inner=(Inner(weight=math.inf),)), "inner.0.weight", NUMBER + "inf"),
        (Load(plain=Plain(math.nan)), "plain.weight", NUMBER + "nan"),
        (Load(data=deep(199)), "fields", "JSON that cannot be read back"),
        (Load(data=deep(500)), "fields", "depth exceeded"),
        (Load(data=deep(5000)), "fields", "depth exceeded"),
        (Load(data=ROUND), "fields", "Circular reference"),
        (Load(data=10**5000), "fields", "JSON that cannot be read back"),
        (Load(name="k" * 513), "key", "expected text of at most 512 characters, got 'kkk"),
        (Load().with_id("x" * 129), "id", "expected text of 1 to 128 bytes"),
        (Load().with_id("\0"), "id", "expected text of 1 to 128 bytes"),
    ],
)
def test_what_the_writer_would_refuse_is_not_sent_in_the_first_place(command: Load, path: str, reason: str) -> None:
    with pytest.raises(InvalidCommand, match=r"checking_test\.load") as raised:
        item_of(command)
    assert (raised.value.path, raised.value.retryable) == (path, False)
    assert reason in raised.value.reason
    assert len(str(raised.value)) < 500
    assert isinstance(raised.value, PublishError | ValueError)


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_a_field_of_the_command_itself_is_refused_when_it_is_made(number: float) -> None:
    with pytest.raises(ValidationError, match=r"Load\nweight\n  Input should be a finite number"):
        Load(weight=number)


@pytest.mark.parametrize(
    "data",
    [
        "\\u0000 written out",
        "NaN",
        "Infinity and beyond",
        None,
        [None],
        {"a": None},
        deep(170),
        10**4000,
        "é\U0001f600",
    ],
)
def test_what_only_looks_like_it_is_sent(data: Any) -> None:
    assert json.loads(item_of(Load(data=data, inner=(Inner(),))).fields)["data"] == data


@given(json_values)
def test_what_is_sent_can_be_read_among_others_and_what_is_not_cannot(value: Any) -> None:
    """The publisher's word for it, held against the writer's."""
    item = item_of(Deposit(account="a-1", amount=1))
    try:
        fields, sound = fields_of(Load(data=value)), True
    except InvalidCommand:
        fields, sound = json.dumps({"data": value}).encode(), False
    # Under another name, so that the neighbour is of a known type and the stranger is refused for its type at most.
    stranger = encode_many("m-1", [item, item])
    body = stranger.body.replace(b"]]}", b'],["s-1","accounts.stranger",1,null,' + fields + b"]]}", 1)
    arriving = delivery(stranger, lane_of("a-1", LANES))
    arriving.body = body
    parts = read(arriving, accounts, now_millis())
    if sound:
        assert [type(part) for part in parts[:2]] == [Arrived, Arrived]
    elif len(parts) == 3:
        assert "\\u0000" in json.dumps(value), "a NUL alone harms no neighbour"
