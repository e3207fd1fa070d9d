"""What may be asked of the bank."""

from __future__ import annotations

from writegate import Command, Service

ACCOUNTS = 50
OPENING_CENTS = 1000  # of each account


class Transfer(Command, key="source"):
    """Move cents from one account to another, if the first one has as many."""

    source: int
    target: int
    cents: int


bank = Service("bank", commands=[Transfer])
