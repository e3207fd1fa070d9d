"""Moments are instants in UTC from the time a command is made, so that JSON can carry each exactly."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, timezone
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from writegate import Command, Service, key_of
from writegate.message.envelope import item_of

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
NOON = datetime(1880, 1, 1, 12, tzinfo=AMSTERDAM)  # 19 min 32 s ahead of UTC


class Inner(BaseModel):
    at: datetime | None = None
    name: str = ""


@dataclass
class Plain:
    at: datetime


class Pair(NamedTuple):
    at: datetime
    number: int


class Seen(Command, key="at"):
    at: datetime
    zoned: AwareDatetime | None = None
    many: list[datetime] = Field(default_factory=list)
    both: tuple[datetime, ...] = ()
    named: dict[str, datetime] = Field(default_factory=dict)
    inner: Inner | None = None
    inners: list[Inner] = Field(default_factory=list)
    plain: Plain | None = None
    pair: Pair | None = None
    hour: time | None = None
    made: datetime = Field(default_factory=lambda: datetime.now(AMSTERDAM))


Service("instants_test", commands=[Seen])


def read_back(command: Seen) -> Seen:
    return Seen.model_validate_json(item_of(command).fields)


@pytest.mark.parametrize(
    ("fields", "of"),
    [
        ({}, lambda seen: seen.at),
        ({"zoned": NOON}, lambda seen: seen.zoned),
        ({"many": [NOON]}, lambda seen: seen.many[0]),
        ({"both": (NOON, NOON)}, lambda seen: seen.both[1]),
        ({"named": {"a": NOON}}, lambda seen: seen.named["a"]),
        # Values that other code has validated already.
        ({"inner": Inner(at=NOON)}, lambda seen: seen.inner.at),
        ({"inners": [Inner(), Inner(at=NOON)]}, lambda seen: seen.inners[1].at),
        ({"plain": Plain(NOON)}, lambda seen: seen.plain.at),
        ({"pair": Pair(NOON, 1)}, lambda seen: seen.pair.at),
    ],
)
def test_an_offset_with_seconds_is_not_cut(fields: dict[str, Any], of: Any) -> None:
    seen = Seen(at=NOON, **fields)
    assert of(seen) == of(read_back(seen)) == NOON
    assert of(seen).tzinfo is of(read_back(seen)).tzinfo is UTC
    assert seen.made.tzinfo is UTC


@given(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)), st.timezones() | st.none())  # noqa: DTZ001  the zone is drawn
def test_any_moment_comes_back_exactly(moment: datetime, zone: ZoneInfo | None) -> None:
    given_ = moment.replace(tzinfo=zone)
    seen = Seen(at=given_, inner=Inner(at=given_))
    again = read_back(seen)
    assert again == seen
    expected = given_.astimezone(UTC) if zone else given_
    assert (again.at, again.inner.at if again.inner else None) == (expected, expected)
    # The key is the same text at both ends.
    assert key_of(again) == key_of(seen) == item_of(seen).key


def test_a_nested_value_that_needs_no_change_is_the_same_object() -> None:
    inner = Inner(at=datetime(2013, 1, 1, tzinfo=UTC))
    assert Seen(at=NOON, inner=inner).inner is inner
    other = Inner(at=NOON, name="kept")
    changed = Seen(at=NOON, inner=other).inner
    assert (other.at is not None and other.at.tzinfo, changed == Inner(at=NOON, name="kept")) == (AMSTERDAM, True)


@pytest.mark.parametrize(
    "fields",
    [
        {"at": datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=2)))},
        {"at": datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-2)))},
        {"at": NOON, "hour": time(12, tzinfo=AMSTERDAM)},
        {"at": NOON, "hour": time(12, tzinfo=timezone(timedelta(hours=1, seconds=7)))},
    ],
)
def test_what_utc_or_json_cannot_say_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=r"expected a (moment|time of day)"):
        Seen(**fields)


def test_a_time_of_day_keeps_its_offset() -> None:
    hour = time(12, 0, 0, 5, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    assert read_back(Seen(at=NOON, hour=hour)).hour == hour
