"""The commands of this service: log a flight, register an airframe, record an inspection."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import Field

from writegate import Command, Service

Tail = Annotated[str, Field(pattern=r"^[A-Z0-9-]{2,10}$", description="registration", examples=["N14228"])]
Text = Annotated[str, Field(min_length=1, max_length=60)]


class LogFlight(Command, key="tail"):
    """An airframe flew: one cycle and its time in the air are added."""

    tail: Tail
    flight: str = Field(min_length=1, max_length=40, description="as its own service names it")
    minutes: int = Field(ge=0, le=100_000, description="time in the air")


class RegisterAirframe(Command, key="tail"):
    """An airframe's entry in the register; a later entry replaces an earlier one."""

    tail: Tail
    kind: Text
    manufacturer: Text
    model: Text
    engine: Text
    engines: int = Field(ge=0, le=20)
    seats: int = Field(ge=0, le=2000)
    built: int | None = Field(default=None, ge=1900, le=2100, description="year; none: the register does not know")


class RecordInspection(Command, key="tail"):
    """An airframe was inspected; declined when a later inspection is recorded."""

    tail: Tail
    inspected_on: date
    inspector: Text


fleet = Service("fleet", commands=[LogFlight, RegisterAirframe, RecordInspection])
