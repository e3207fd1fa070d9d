"""What may be asked of this service: observations."""

from __future__ import annotations

from datetime import UTC

from pydantic import AwareDatetime, Field

from writegate import Command, Service


def _airport_hour(command: Observe) -> str:
    # In UTC: one hour told in two time zones is one row, so it must be one key.
    return f"{command.airport}/{command.hour.astimezone(UTC):%Y-%m-%dT%HZ}"


# An instrument fails alone: every figure may be missing.
Figure = float | None


class Observe(Command, key=_airport_hour):
    """What was observed at an airport in an hour; a later report of the same hour replaces an earlier one."""

    airport: str = Field(pattern=r"^[A-Z0-9]{3}$", description="IATA code", examples=["EWR"])
    hour: AwareDatetime = Field(description="start of the hour")
    temperature: Figure = Field(default=None, description="degrees Fahrenheit")
    dew_point: Figure = Field(default=None, description="degrees Fahrenheit")
    humidity: Figure = Field(default=None, description="relative, percent")
    wind_from: Figure = Field(default=None, description="degrees")
    wind_speed: Figure = Field(default=None, description="miles per hour")
    gusts: Figure = Field(default=None, description="miles per hour")
    rain: Figure = Field(default=None, description="inches")
    pressure: Figure = Field(default=None, description="millibars, at sea level")
    visibility: Figure = Field(default=None, description="miles")


# An observation is a row of its own: the lanes need not wait for each other.
weather = Service("weather", commands=[Observe], lanes=4, keys_own_rows=True)
