"""The commands of this service: departures and arrivals."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import AwareDatetime, Field

from writegate import Command, Service

Airport = Annotated[str, Field(pattern=r"^[A-Z0-9]{3}$", description="IATA code", examples=["EWR"])]
Carrier = Annotated[str, Field(pattern=r"^[A-Z0-9]{2}$", description="IATA code", examples=["UA"])]
Tail = Annotated[
    str, Field(pattern=r"^[A-Z0-9-]{2,10}$", description="registration of the airframe", examples=["N14228"])
]
# The database bounds its integers too, but there a number too big is an error of the whole statement (22003).
Minutes = Annotated[int, Field(ge=-100_000, le=100_000)]


class OfFlight(Command):
    """The fields that identify a flight: carrier, number, local day of the schedule, and origin.

    The origin is needed because a flight number with several legs departs from several airports on one day.
    """

    carrier: Carrier
    number: int = Field(ge=1, le=9999)
    day: date = Field(description="scheduled day of departure, local to the origin")
    origin: Airport

    @property
    def flight(self) -> str:
        """The flight as text, such as ``UA1545/2013-01-01/EWR``."""
        return f"{self.carrier}{self.number}/{self.day}/{self.origin}"


def _flight(command: OfFlight) -> str:
    return command.flight


class RecordDeparture(OfFlight, key=_flight):
    """A flight left, or was cancelled."""

    destination: Airport
    # That it is above 0 is the database's own rule: see the CHECK in migrations/.
    distance: int = Field(ge=-100_000, le=100_000, description="miles")
    tail: Tail | None = None
    scheduled_at: AwareDatetime
    departed_at: AwareDatetime | None = Field(default=None, description="none: the flight was cancelled")


class RecordArrival(OfFlight, key=_flight):
    """A flight ended, at its destination or diverted."""

    tail: Tail | None = None
    arrived_at: AwareDatetime | None = Field(default=None, description="at its destination; none: it never got there")
    delay_minutes: Minutes | None = Field(
        default=None, description="against the schedule; none: the flight was diverted"
    )
    air_minutes: Minutes | None = Field(default=None, description="time in the air; none: the flight was diverted")


# Every departure adds to the day's row of its airport and its carrier. Keys share rows, so the lanes are one domain.
flights = Service("flights", commands=[RecordDeparture, RecordArrival], lanes=4)
