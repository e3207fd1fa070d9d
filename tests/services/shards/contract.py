"""What tests ask of it."""

from __future__ import annotations

from writegate import Command, Service


class Book(Command, key="account"):
    """Book 1."""

    account: str
    seq: int


shards = Service("shards", commands=[Book], lanes=3, keys_own_rows=True)
