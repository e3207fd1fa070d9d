"""Targets of operators' actions: what there is to aim at, and what is named instead."""

from __future__ import annotations

import pytest

from writegate.contract.targets import Known, TargetError, parse

KNOWN = Known(
    lanes={"flights": 2, "fleet": 1},
    tasks={"flights.record_departure", "flights.record_arrival", "fleet.fly"},
    tables={"flights.airport_day", "flights.flight", "fleet.day", "public.day"},
)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("flights", "flights"),
        ("flights.1", "flights.1"),
        ("flights.record_departure", "flights.record_departure"),
        ("flights key=UA 123", "flights key=UA 123"),
        ("table:flights.airport_day", "table:flights.airport_day"),
        ("table:airport_day", "table:flights.airport_day"),
        ("table:day", "table:public.day"),
    ],
)
def test_whatever_was_typed_has_one_form(text: str, form: str) -> None:
    assert str(KNOWN.find(text)) == form
    assert KNOWN.find(form) == parse(form)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("flihgts", "no such service; did you mean flights"),
        ("flights.7", "no such lane; did you mean flights."),
        ("flights.record_departur", "no such command; did you mean flights.record_departure or flights.record_arrival"),
        ("table:airport_days", "no such table; did you mean table:flights.airport_day"),
        ("table:xyz", "no such table; did you mean table:fleet.day or"),
        ("writegate", "nothing stops it"),
        ("writegate.hold", "nothing stops it"),
        ("Flights!", "expected one of flights |"),
    ],
)
def test_what_does_not_exist_names_the_nearest_that_do(text: str, expected: str) -> None:
    with pytest.raises(TargetError) as error:
        KNOWN.find(text)
    assert expected in str(error.value)


def test_a_name_that_several_schemas_have_asks_for_one() -> None:
    several = Known(lanes={}, tasks=(), tables={"a.day", "b.day"})
    with pytest.raises(TargetError, match=r"may be any of table:a\.day, table:b\.day"):
        several.find("table:day")
