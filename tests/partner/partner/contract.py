"""What tests ask of it."""

from __future__ import annotations

from writegate import Command, Service


class Note(Command, key="account"):
    """Write down a number of an account; while the table is shared, lock the account's balance too."""

    account: str
    seq: int


partner = Service("partner", commands=[Note])
