"""Random values of each field of ``services/everything``, and what psycopg2 alone is given for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from enum import StrEnum
from ipaddress import IPv4Interface
from typing import Any, get_args
from uuid import UUID
from xml.sax.saxutils import escape

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from psycopg2.extras import DateRange, DateTimeRange, DateTimeTZRange, HstoreAdapter, Json, NumericRange

from tests.values.services.everything.contract import Colour, Part, Tone, Values

Strategy = st.SearchStrategy[Any]
Fields = dict[str, Any]

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
WORDS = st.text("abcxyzäß", min_size=1, max_size=8)
OFFSETS = st.integers(-12 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
LOCAL = st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29))  # noqa: DTZ001  the zone is drawn, or there is none
MOMENTS = st.builds(lambda moment, zone: moment.replace(tzinfo=zone), LOCAL, st.timezones() | OFFSETS)
DECIMALS = st.decimals(-(10**25), 10**25, allow_nan=False, allow_infinity=False)
# Not -0.0: psycopg2 writes it as a numeric, which has no such number. Ready-made handlers keep its sign.
FLOATS = st.floats(allow_nan=False, allow_infinity=False).map(lambda number: number + 0.0)
SINGLES = st.floats(width=32, allow_nan=False, allow_infinity=False, allow_subnormal=False).map(
    lambda number: number + 0.0
)
SPANS = st.timedeltas(timedelta(days=-(10**6)), timedelta(days=10**6))
NUMBERS = st.integers(-(2**60), 2**60) | FLOATS
JSON = st.recursive(st.none() | st.booleans() | NUMBERS | TEXT, lambda inner: st.lists(inner, max_size=3), max_leaves=4)
OBJECTS = st.dictionaries(TEXT, JSON, max_size=3)
PAIRS = st.dictionaries(TEXT, st.none() | TEXT, max_size=3)
PARTS = st.builds(Part, name=TEXT, amount=st.none() | st.decimals(-(10**9), 10**9, places=3), at=st.none() | MOMENTS)
MOODS = st.sampled_from(get_args(get_args(Values.model_fields["mood"].annotation)[0]))
HEX = st.text("0123456789abcdef", min_size=2, max_size=2)


def hardware(parts: int) -> Strategy:
    """Return addresses of so many bytes."""
    return st.lists(HEX, min_size=parts, max_size=parts).map(":".join)


def bits(least: int, most: int) -> Strategy:
    """Return texts of zeros and ones."""
    return st.text("01", min_size=least, max_size=most)


def ranges(kind: type[Any], bounds: Strategy) -> Strategy:
    """Return ranges as psycopg2 has them."""

    def ordered(ends: list[Any], brackets: str) -> Any:
        lower, upper = (None if end is None else end for end in ends)
        assume(lower is None or upper is None or lower <= upper)
        return kind(lower, upper, brackets)

    two = st.lists(st.none() | bounds, min_size=2, max_size=2)
    return st.builds(ordered, two, st.sampled_from(["[)", "[]", "(]", "()"])) | st.just(kind(empty=True))


def text_of_range(value: Any) -> str:
    """Return a range as PostgreSQL's manual writes it."""
    if value.isempty:
        return "empty"
    lower, upper = ("" if end is None else f'"{end}"' for end in (value.lower, value.upper))
    return f"{value._bounds[0]}{lower},{upper}{value._bounds[1]}"  # noqa: SLF001  psycopg2 has no other name for them


def several(kind: type[Any], bounds: Strategy) -> Strategy:
    """Return multiranges as their text: psycopg2 has no type for them."""
    return st.lists(ranges(kind, bounds).map(text_of_range), max_size=3).map(lambda texts: f"{{{','.join(texts)}}}")


def queries() -> Strategy:
    """Return queries of a text search."""
    return st.lists(WORDS, min_size=1, max_size=4).map(" & ".join) | st.sampled_from(
        ["!a | 'it''s':*A <2> b", "", "'a b' & (c | !d)"]
    )


def documents() -> Strategy:
    """Return documents of a text search."""
    return st.lists(WORDS, max_size=5).map(" ".join) | st.sampled_from(["'it''s':1A,3 'two words':2B", "a:1 a:2 \\b"])


CHARACTERS = st.characters(min_codepoint=32, max_codepoint=0x2FFF, exclude_categories=["Cc", "Cs"])
MARKUP = st.text(CHARACTERS, max_size=20).map(lambda text: f"<a b='1'>{escape(text)}</a>tail")
SHORT_LOCAL = st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1))  # noqa: DTZ001  a range of them has no zone
INSTANTS = SHORT_LOCAL.map(lambda moment: moment.replace(tzinfo=UTC))
WHOLE = st.integers(-(2**31), 2**31 - 2)  # a range that ends with the largest one has no canonical form
BIG = st.integers(-(2**63), 2**63 - 2)


@dataclass(frozen=True, slots=True)
class Drawn:
    """How a field's values are drawn. ``given``: a value as the contract takes it. ``cast``: what psycopg2 needs."""

    values: Strategy
    given: Callable[[Any], Any] = field(default=lambda value: value)
    cast: str = ""


def _ranges(kind: type[Any], bounds: Strategy) -> Drawn:
    return Drawn(ranges(kind, bounds), text_of_range)


def _lists(values: Strategy, kind: str, *, nulls: bool = True) -> Drawn:
    return Drawn(st.lists(st.none() | values if nulls else values, max_size=4), cast=f"::{kind}[]")


DRAWN: dict[str, Drawn] = {
    "small": Drawn(st.integers(-(2**15), 2**15 - 1)),
    "whole": Drawn(st.integers(-(2**31), 2**31 - 1)),
    "big": Drawn(st.integers(-(2**63), 2**63 - 1)),
    "exact": Drawn(DECIMALS),
    "scaled": Drawn(st.decimals(-(10**15), 10**15, places=4)),
    "single": Drawn(SINGLES),
    "double": Drawn(FLOATS),
    "cash": Drawn(st.decimals(-(10**16), 10**16, places=2)),
    "object_id": Drawn(st.integers(0, 2**32 - 1)),
    "positive": Drawn(st.integers(1, 2**31 - 1)),
    "word": Drawn(TEXT),
    "limited": Drawn(TEXT),
    "padded": Drawn(st.text(CHARACTERS, max_size=5)),
    "folded": Drawn(TEXT),
    "raw": Drawn(st.binary(max_size=40)),
    "at": Drawn(MOMENTS),
    "at_second": Drawn(MOMENTS),
    "local": Drawn(LOCAL),
    "day": Drawn(st.dates()),
    "hour": Drawn(st.times()),
    "hour_short": Drawn(st.times()),
    "zoned_hour": Drawn(
        st.builds(lambda hour, zone: hour.replace(tzinfo=zone), st.times(), st.none() | OFFSETS), cast="::timetz"
    ),
    "span": Drawn(SPANS),
    "span_short": Drawn(SPANS),
    "ok": Drawn(st.booleans()),
    "mood": Drawn(MOODS),
    "colour": Drawn(st.sampled_from(Colour)),
    "tone": Drawn(st.sampled_from(Tone)),
    "ref": Drawn(st.uuids()),
    "address": Drawn(st.ip_addresses()),
    "interface": Drawn(
        st.builds(lambda at, size: IPv4Interface(f"{at}/{size}"), st.ip_addresses(v=4), st.integers(0, 32))
    ),
    "network": Drawn(
        st.builds(lambda at, size: IPv4Interface(f"{at}/{size}").network, st.ip_addresses(v=4), st.integers(0, 32))
    ),
    "hardware": Drawn(hardware(6)),
    "hardware_8": Drawn(hardware(8)),
    "bits": Drawn(bits(8, 8)),
    "more_bits": Drawn(bits(0, 70)),
    "document": Drawn(documents()),
    "question": Drawn(queries()),
    "relation": Drawn(st.sampled_from(["pg_class", "pg_catalog.pg_type", "everything.row"])),
    "language": Drawn(st.sampled_from(["english", "pg_catalog.simple"])),
    "doc": Drawn(OBJECTS),
    "plain": Drawn(JSON.filter(lambda value: value is not None)),
    "part": Drawn(PARTS),
    "parts": Drawn(st.lists(PARTS, max_size=3)),
    "path": Drawn(st.sampled_from(["$.a", 'strict $.a[*] ? (@.b > 1 && @.c == "it\'s")', '$."ä"'])),
    "markup": Drawn(MARKUP),
    "pairs": Drawn(PAIRS),
    "wholes": _ranges(NumericRange, WHOLE),
    "bigs": _ranges(NumericRange, BIG),
    "exacts": _ranges(NumericRange, DECIMALS),
    "days": _ranges(DateRange, st.dates(max_value=datetime(9999, 12, 30, tzinfo=UTC).date())),
    "locals": _ranges(DateTimeRange, LOCAL),
    "instants": _ranges(DateTimeTZRange, INSTANTS),
    "many_wholes": Drawn(several(NumericRange, WHOLE)),
    "many_bigs": Drawn(several(NumericRange, BIG)),
    "many_exacts": Drawn(several(NumericRange, DECIMALS)),
    "many_days": Drawn(several(DateRange, st.dates(max_value=datetime(9999, 12, 30, tzinfo=UTC).date()))),
    "many_locals": Drawn(several(DateTimeRange, LOCAL)),
    "many_instants": Drawn(several(DateTimeTZRange, INSTANTS)),
    "tags": _lists(TEXT, "text"),
    "grid": Drawn(
        st.integers(1, 3).flatmap(
            lambda size: st.lists(st.lists(WHOLE, min_size=size, max_size=size), min_size=1, max_size=3)
        ),
        cast="::integer[]",
    ),
    "amounts": _lists(DECIMALS, "numeric"),
    "floats": Drawn(st.lists(FLOATS, max_size=4).map(tuple), cast="::float8[]"),
    "flags": _lists(st.booleans(), "boolean"),
    "raws": _lists(st.binary(max_size=10), "bytea"),
    "refs": _lists(st.uuids(), "uuid"),
    "moments": _lists(MOMENTS, "timestamptz"),
    "dates": _lists(st.dates(), "date", nulls=False),
    "spans": _lists(SPANS, "interval"),
    "moods": _lists(MOODS, "everything.mood"),
    "colours": _lists(st.sampled_from(Colour), "everything.colour"),
    "addresses": _lists(st.ip_addresses(v=4), "inet", nulls=False),
    "docs": _lists(OBJECTS, "jsonb"),
    "ranges": Drawn(
        st.lists(st.none() | ranges(NumericRange, DECIMALS), max_size=3),
        lambda values: [None if value is None else text_of_range(value) for value in values],
        "::numrange[]",
    ),
    "all_pairs": _lists(PAIRS, "hstore", nulls=False),
}
FIELDS = st.fixed_dictionaries({}, optional={name: st.none() | drawn.values for name, drawn in DRAWN.items()})
_AS_PAIRS = {"pairs", "all_pairs"}


def rows_drawn(number: int) -> list[Fields]:
    """Draw the fields of so many rows."""
    found: list[Fields] = []

    @settings(max_examples=number, suppress_health_check=[*HealthCheck])
    @given(FIELDS)
    def draw(fields: Fields) -> None:
        found.append(fields)

    draw()
    return found


def as_given(fields: Fields) -> Fields:
    """Return drawn values as the contract takes them."""
    return {
        name: value if value is None or name not in DRAWN else DRAWN[name].given(value)
        for name, value in fields.items()
    }


def as_psycopg2_takes(name: str, value: Any) -> Any:
    """Return a drawn value as psycopg2 takes it by itself."""
    if isinstance(value, (list, tuple)) and name not in {"plain", "parts"}:
        return [as_psycopg2_takes(name, part) for part in value]
    if value is None or (isinstance(value, (str, int, float, Decimal, UUID)) and name != "plain"):
        return str(value) if isinstance(value, StrEnum) else value
    if name in _AS_PAIRS:
        return HstoreAdapter(value)
    if isinstance(value, Colour):
        return value.name
    if isinstance(value, (dict, list, str, int, float, Part)):
        return Json(_plain(value))
    return str(value) if type(value).__module__ == "ipaddress" else value


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(part) for part in value]
    if isinstance(value, Part):
        # Moments travel as instants in UTC, those inside of JSON too.
        return value.model_copy(update={"at": value.at and value.at.astimezone(UTC)}).model_dump(mode="json")
    return value


def insertion(fields: Fields) -> Iterator[tuple[str, str, Any]]:
    """Yield column, placeholder and parameter of each field, as psycopg2 alone is given them."""
    for name, value in fields.items():
        yield name, f"%({name})s{DRAWN[name].cast if name in DRAWN else ''}", as_psycopg2_takes(name, value)
