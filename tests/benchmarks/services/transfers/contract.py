"""What is published."""

from __future__ import annotations

from writegate import Command, Service


class Move(Command, key="source"):
    """Take ``amount`` from one account and give it to another."""

    source: int
    target: int
    amount: int


transfers = Service("transfers", commands=[Move])
