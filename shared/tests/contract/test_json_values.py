"""No number loses a digit between the JSON that somebody wrote and the field of a command."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kombu.utils import json as kombu_json
from pydantic import BaseModel, Field

from writegate import Command, Service
from writegate.catalog.find import read_command
from writegate.contract.json_values import ExactNumber, read_json, write_json
from writegate.contract.wrapped_values import unwrapped_all
from writegate.integrations.requests import _command

LONG = "12345678901234567.89"


class Line(BaseModel):
    price: Decimal
    weight: float = 0.0
    more: list[Line] = Field(default_factory=list)


class Bill(Command, key="number"):
    number: str
    total: Decimal = Decimal(0)
    rate: float = 0.0
    lines: list[Line] = Field(default_factory=list)
    named: dict[str, Decimal | int] = Field(default_factory=dict)
    mixed: tuple[float, Decimal, int] | None = None
    row: tuple[Decimal, ...] = ()
    either: Decimal | float | None = None
    free: Any = None
    at: datetime | None = None
    day: date | None = None
    hour: time | None = None
    ref: UUID | None = None
    raw: bytes | None = None


Service("json_values_test", commands=[Bill])

PLACES: list[tuple[str, Any]] = [
    (f'"total":{LONG}', lambda bill: bill.total),
    (f'"lines":[{{"price":{LONG}}}]', lambda bill: bill.lines[0].price),
    (f'"lines":[{{"price":1,"more":[{{"price":{LONG}}}]}}]', lambda bill: bill.lines[0].more[0].price),
    (f'"named":{{"a":1,"b":{LONG}}}', lambda bill: bill.named["b"]),
    (f'"mixed":[{LONG},{LONG},5]', lambda bill: bill.mixed[1]),
    (f'"row":[1,{LONG}]', lambda bill: bill.row[1]),
]


@pytest.mark.parametrize(("text", "of"), PLACES, ids=[text for text, _ in PLACES])
def test_a_number_for_a_decimal_keeps_its_digits_wherever_it_stands(text: str, of: Any) -> None:
    whole = f'{{"number":"n",{text}}}'
    # As the command line, HTTP, and whoever reads a contract themselves.
    for bill in (
        Bill.model_validate_json(whole),
        read_command(Bill, whole),
        _command(Bill, whole.encode(), {"ref": None}),
    ):
        assert str(of(bill)) == LONG


@pytest.mark.parametrize("number", ["1.10", "1E3", "0.1", "-0.00", "1e-7", "100.0", "123456789012345678901234567890"])
def test_the_scale_of_a_number_is_kept_too(number: str) -> None:
    bill = Bill.model_validate_json(f'{{"number": "n", "total": {number}}}')
    assert bill.total.as_tuple() == Decimal(number).as_tuple()


def test_numbers_for_other_fields_stay_numbers() -> None:
    bill = Bill.model_validate_json(
        f'{{"number":"n","rate":{LONG},"either":{LONG},"free":{LONG},"mixed":[{LONG},1,2]}}'
    )
    assert (bill.rate, bill.either, bill.free) == (float(LONG),) * 3
    assert bill.mixed == (float(LONG), Decimal(1), 2)


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30))
def test_any_number_is_read_as_it_is_written(number: Decimal) -> None:
    bill = Bill.model_validate_json(json.dumps({"number": "n"})[:-1] + f',"total":{number}}}')
    assert bill.total.as_tuple() == number.as_tuple()


TEXT = st.text(st.characters(exclude_categories=["Cs"]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner),
    max_leaves=10,
)


@given(JSON)
def test_what_is_read_is_written_again(value: Any) -> None:
    assert read_json(write_json(value)) == value
    text = f'{{"a": 1.10, "b": [{LONG}, {json.dumps(value)}]}}'
    again = read_json(write_json(read_json(text)))
    assert (again["a"].text, again["b"][0].text, again["b"][1]) == ("1.10", LONG, value)


def test_a_float_that_holds_its_number_is_a_plain_one() -> None:
    assert [type(number) for number in read_json("[1.5, 1e-07, 1.50, 0.1]")] == [float, float, ExactNumber, float]


@pytest.mark.parametrize("text", ["NaN", "[-Infinity]", "1e999", "{", ""])
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected|Expecting"):
        read_json(text)


WRAPPED = {
    "total": Decimal("1.10"),
    "at": datetime(1880, 1, 1, 12, tzinfo=UTC),
    "day": date(2013, 1, 1),
    "hour": time(5, 17),
    "ref": UUID(int=7),
    "raw": b"text",
}


def test_what_kombu_wraps_is_understood() -> None:
    text = kombu_json.dumps({"number": "n", **WRAPPED, "lines": [{"price": Decimal("2.50")}]})
    bill = Bill.model_validate_json(text)
    assert {name: getattr(bill, name) for name in WRAPPED} == WRAPPED
    assert str(bill.total) == "1.10"
    assert str(bill.lines[0].price) == "2.50"


def test_what_only_looks_wrapped_is_left_to_the_contract() -> None:
    looks = {"__type__": "decimal", "__value__": "1.10"}
    assert Bill.model_validate_json(json.dumps({"number": "n", "free": looks})).free == looks
    for odd in (
        {"__type__": "decimal", "__value__": "x"},
        {"__type__": "odd", "__value__": 1},
        {"__type__": "uuid", "__value__": {"a": 1}},
    ):
        assert unwrapped_all([odd]) == [odd]
        with pytest.raises(ValueError, match="total"):
            Bill.model_validate_json(json.dumps({"number": "n", "total": odd}))
