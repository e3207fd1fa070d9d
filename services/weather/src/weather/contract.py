"""The command of this service: record an observation."""

from __future__ import annotations

from datetime import UTC

from pydantic import AwareDatetime, Field

from writegate import Command, Service


def _airport_hour(command: Observe) -> str:
    # In UTC: the same hour in two time zones is one row, so it must be one key.
    return f"{command.airport}/{command.hour.astimezone(UTC):%Y-%m-%dT%HZ}"


# Each instrument may fail by itself, so every measurement may be missing.
Measurement = float | None


class Observe(Command, key=_airport_hour):
    """What was observed at an airport in an hour; a later report of the same hour replaces an earlier one."""

    airport: str = Field(pattern=r"^[A-Z0-9]{3}$", description="IATA code", examples=["EWR"])
    hour: AwareDatetime = Field(description="start of the hour")
    temperature: Measurement = Field(default=None, description="degrees Fahrenheit")
    dew_point: Measurement = Field(default=None, description="degrees Fahrenheit")
    humidity: Measurement = Field(default=None, description="relative, percent")
    wind_from: Measurement = Field(default=None, description="degrees")
    wind_speed: Measurement = Field(default=None, description="miles per hour")
    gusts: Measurement = Field(default=None, description="miles per hour")
    rain: Measurement = Field(default=None, description="inches")
    pressure: Measurement = Field(default=None, description="millibars, at sea level")
    visibility: Measurement = Field(default=None, description="miles")


# Each key has a row of its own, so the lanes may be applied in parallel.
weather = Service("weather", commands=[Observe], lanes=4, keys_own_rows=True)
