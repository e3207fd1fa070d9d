"""What a writer would read otherwise than it was given does not leave the publisher."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from ipaddress import IPv4Address
from typing import Any, Literal

import pytest
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    create_model,
    field_serializer,
    field_validator,
    model_validator,
)

from writegate import Command, Service
from writegate.errors import InvalidCommand
from writegate.message import read_back
from writegate.message.envelope import item_of


class Line(BaseModel):
    sku: str
    count: int = 1
    _cache: str = PrivateAttr(default_factory=lambda: uuid.uuid4().hex)


class SpecialLine(Line):
    discount: Decimal = Decimal(0)


@dataclass
class Point:
    x: int


@dataclass
class Point3(Point):
    z: int = 0


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Size(IntEnum):
    SMALL = 1


class Free(Command, key="name"):
    name: str = "n"
    data: Any = None
    line: Line | None = None
    lines: list[Line] = Field(default_factory=list)
    point: Point | None = None
    points: dict[str, Point] = Field(default_factory=dict)
    either: str | Decimal | None = None
    raw: bytes | None = None
    sequence: Sequence[int] = ()
    colour: Colour | None = None
    size: Size | None = None
    label: Literal["a", "b"] | None = None
    address: IPv4Address | None = None
    span: timedelta | None = None
    numbers: frozenset[int] = frozenset()


class Cents(Command):
    cents: int

    @field_validator("cents", mode="before")
    @classmethod
    def of_euros(cls, value: Any) -> Any:
        return value * 100


class Rounded(Command):
    share: float

    @field_serializer("share")
    def shorter(self, value: float) -> float:
        return round(value, 1)


class Choosy(Command):
    word: str

    @model_validator(mode="after")
    def only_once(self) -> Choosy:
        if getattr(type(self), "met", False) and self.word == "twice":
            raise KeyError("I have seen it")
        type(self).met = True  # type: ignore[attr-defined]
        return self


Service("read_back_test", commands=[Free, Cents, Rounded, Choosy])


@pytest.fixture(autouse=True)
def nothing_compared() -> Iterator[None]:
    """Each test begins as a fresh process of a service does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(read_back, "_compared", {})
        patch.setattr(read_back, "_every", False)
        yield


@pytest.mark.parametrize(
    ("command", "path"),
    [
        (Free(line=SpecialLine(sku="a", discount=Decimal(1))), "line"),
        (Free(lines=[Line(sku="a"), SpecialLine(sku="b")]), "lines.1"),
        (Free(point=Point3(1, 2)), "point"),
        (Free(points={"a": Point(1), "b": Point3(1)}), "points.b"),
        (Free(either=Decimal("1.10")), "either"),
        (Free(data=date(2013, 1, 1)), "data"),
        (Free(data={"at": datetime(2013, 1, 1, tzinfo=UTC)}), "data.at"),
        (Free(data=[1, {"share": Decimal("0.1")}]), "data.1.share"),
        (Free(data=b"bytes"), "data"),
        (Free(data={1: "one"}), "data"),
        (Free(data=uuid.UUID(int=1)), "data"),
        (Free(data=Line(sku="a")), "data"),
        (Cents(cents=5), "cents"),
        (Rounded(share=0.25), "share"),
    ],
)
def test_a_value_that_json_does_not_carry_is_refused_with_its_path(command: Command, path: str) -> None:
    for _ in range(2):  # a refusal is not remembered as sound
        with pytest.raises(InvalidCommand, match="a writer would read") as raised:
            item_of(command)
        assert raised.value.path == path
        assert len(str(raised.value)) < 400


@pytest.mark.parametrize(
    "command",
    [
        Free(),
        Free(line=Line(sku="a"), lines=[Line(sku="a")], point=Point(1), points={"a": Point(1)}),
        Free(data={"a": [1, 2.5, None, True, (1, 2)]}, sequence=(1, 2), numbers=frozenset([1, 2])),
        Free(either="1.10", raw=b"text", colour=Colour.RED, size=Size.SMALL, label="b"),
        Free(address=IPv4Address("10.0.0.1"), span=timedelta(seconds=-1)),
        Rounded(share=0.5),
    ],
)
def test_what_is_read_as_it_is_given_is_sent(command: Command) -> None:
    sent = item_of(command)
    assert item_of(type(command).model_validate_json(sent.fields).with_id(sent.id)) == sent


def test_what_a_writer_would_refuse_is_refused() -> None:
    item_of(Choosy(word="once"))
    read_back.compare_every_command()
    given = Choosy.model_construct(word="twice")
    with pytest.raises(InvalidCommand, match="a writer could not read what is sent: KeyError"):
        item_of(given)
    class_ = create_model("Short", __base__=Command, word=(str, Field(max_length=3)))
    Service("read_back_short", commands=[class_])
    with pytest.raises(InvalidCommand, match=r"a writer would refuse what is sent: .*at most 3 characters"):
        item_of(class_.model_construct(word="longer"))


def test_a_key_that_a_writer_would_not_compute_is_refused() -> None:
    class Counted(Command, key=lambda command: f"{id(command)}"):
        value: int

    Service("read_back_key", commands=[Counted])
    with pytest.raises(InvalidCommand, match="a writer would compute"):
        item_of(Counted(value=1))


@pytest.mark.parametrize("raw", [b"\0", b"a\0b", b"\xff"])
def test_bytes_that_are_no_text_are_refused_with_what_to_declare(raw: bytes) -> None:
    with pytest.raises(InvalidCommand, match="ser_json_bytes='base64'") as raised:
        item_of(Free(raw=raw))
    assert raised.value.path == "raw"


def test_declared_as_base64_any_bytes_are_sent() -> None:
    class Photo(Command):
        model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")
        raw: bytes
        note: tuple[Line | None, ...] = (None,)

    Service("read_back_bytes", commands=[Photo])
    photo = Photo(raw=bytes(range(256)))
    assert Photo.model_validate_json(item_of(photo).fields) == photo


def test_it_is_compared_once_for_each_shape_and_in_tests_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[Any] = []
    monkeypatch.setattr(read_back, "_compare", lambda command, *_: compared.append(command))
    for number in range(10):
        item_of(Free(name=str(number)))
        item_of(Free(lines=[Line(sku=str(number))] * 3))
    assert len(compared) == 2
    item_of(Free(lines=[Line(sku="a"), SpecialLine(sku="b")]))
    assert len(compared) == 3
    for _ in range(3):  # its own code writes the value
        item_of(Rounded(share=0.5))
    assert len(compared) == 6
    read_back.compare_every_command()
    item_of(Free())
    assert len(compared) == 7


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_back, "_MOST_SHAPES", 5)
    for number in range(20):
        data: Any = 1
        for _ in range(number):
            data = [data]
        item_of(Free(data=data))
    assert len(read_back._compared[Free].shapes) <= 5  # noqa: SLF001  the bound is not visible from outside
