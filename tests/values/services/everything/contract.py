"""A field for each column. Ranges, bits, addresses of hardware and documents of a text search travel as their text."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, StrEnum
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Network
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from writegate import Command, Service


class Colour(Enum):
    """Stored by the names of its members, as SQLAlchemy does."""

    RED = "r"
    GREEN = "g"


class Tone(StrEnum):
    """Stored by its values."""

    LOW = "low"
    HIGH = "it's high"


class Part(BaseModel):
    """Stored as JSON."""

    name: str
    amount: Decimal | None = None
    at: datetime | None = None


class Values(Command):
    """One row."""

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    id: int
    small: int | None = None
    whole: int | None = None
    big: int | None = None
    exact: Decimal | None = None
    scaled: Decimal | None = Field(default=None, decimal_places=4)
    single: float | None = None
    double: float | None = None
    cash: Decimal | None = Field(default=None, decimal_places=2)
    object_id: int | None = None
    positive: int | None = None
    word: str | None = None
    limited: str | None = None
    padded: str | None = None
    folded: str | None = None
    raw: bytes | None = None
    at: datetime | None = None
    at_second: datetime | None = None
    local: datetime | None = None
    day: date | None = None
    hour: time | None = None
    hour_short: time | None = None
    zoned_hour: time | None = None
    span: timedelta | None = None
    span_short: timedelta | None = None
    ok: bool | None = None
    mood: Literal["sad", "so so", "it's \\ fine"] | None = None
    colour: Colour | None = None
    tone: Tone | None = None
    ref: UUID | None = None
    address: IPv4Address | IPv6Address | None = None
    interface: IPv4Interface | None = None
    network: IPv4Network | IPv6Network | None = None
    hardware: str | None = None
    hardware_8: str | None = None
    bits: str | None = None
    more_bits: str | None = None
    document: str | None = None
    question: str | None = None
    relation: str | None = None
    language: str | None = None
    doc: dict[str, Any] | None = None
    plain: Any = None
    part: Part | None = None
    parts: list[Part] | None = None
    path: str | None = None
    markup: str | None = None
    pairs: dict[str, str | None] | None = None
    wholes: str | None = None
    bigs: str | None = None
    exacts: str | None = None
    days: str | None = None
    locals: str | None = None
    instants: str | None = None
    many_wholes: str | None = None
    many_bigs: str | None = None
    many_exacts: str | None = None
    many_days: str | None = None
    many_locals: str | None = None
    many_instants: str | None = None
    tags: list[str | None] | None = None
    grid: list[list[int]] | None = None
    amounts: list[Decimal | None] | None = None
    floats: tuple[float, ...] | None = None
    flags: list[bool | None] | None = None
    raws: list[bytes | None] | None = None
    refs: list[UUID | None] | None = None
    moments: list[datetime | None] | None = None
    dates: list[date] | None = None
    spans: list[timedelta | None] | None = None
    moods: list[Literal["sad", "so so", "it's \\ fine"] | None] | None = None
    colours: list[Colour | None] | None = None
    addresses: list[IPv4Address] | None = None
    docs: list[dict[str, Any] | None] | None = None
    ranges: list[str | None] | None = None
    all_pairs: list[dict[str, str | None]] | None = None


class Add(Values, key="id"):
    """Inserted."""


class Claim(Values, key="id"):
    """Inserted, and declined when there is such a row."""


class Put(Values, key="id"):
    """Upserted."""


class Change(Values, key="id"):
    """Overwrites a row that is there."""


everything = Service("everything", commands=[Add, Claim, Put, Change])
