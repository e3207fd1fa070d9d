"""What is published."""

from __future__ import annotations

from writegate import Command, Service


class Observe(Command, key="sensor"):
    """What a sensor shows now."""

    sensor: int
    value: float


readings = Service("readings", commands=[Observe])
