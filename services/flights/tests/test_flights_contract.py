"""What flights takes, and what a command is about."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from flights.contract import RecordArrival, RecordDeparture
from tests.example_commands import DEPARTURE, departure
from writegate import contract_of, key_of


def test_departure_and_arrival_of_a_flight_have_one_key() -> None:
    names = {name: DEPARTURE[name] for name in ("carrier", "number", "day", "origin")}
    arrival = RecordArrival.model_validate_json(json.dumps(names))
    assert key_of(departure()) == key_of(arrival) == "UA1545/2013-01-01/EWR"


def test_the_legs_of_one_number_are_different_flights() -> None:
    assert key_of(departure()) != key_of(departure(origin="LGA"))


def test_task_names() -> None:
    assert contract_of(RecordDeparture).task == "flights.record_departure"
    assert contract_of(RecordArrival).task == "flights.record_arrival"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("carrier", "ua"),
        ("number", 0),
        ("number", "1545"),
        ("day", "yesterday"),
        ("origin", "EWR\n"),
        ("scheduled_at", "2013-01-01T10:15:00"),
        ("tail", ""),
        ("pilot", "Kim"),
    ],
)
def test_a_wrong_field_is_named(field: str, value: object) -> None:
    with pytest.raises(ValidationError) as caught:
        departure(**{field: value})
    assert [error["loc"] for error in caught.value.errors()] == [(field,)]


def test_a_distance_below_zero_is_left_to_the_database() -> None:
    assert departure(distance=-1).distance == -1
