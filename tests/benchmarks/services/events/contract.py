"""What is published."""

from __future__ import annotations

from writegate import Command, Service


class Record(Command, key="device"):
    """A value that a device has measured."""

    device: int
    value: float
    note: str


events = Service("events", commands=[Record])
