"""What is published."""

from __future__ import annotations

from writegate import Command, Service


class Record(Command, key="device"):
    """Something that a device has told."""

    device: int
    value: float
    note: str


events = Service("events", commands=[Record])
