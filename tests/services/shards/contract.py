"""What tests ask of it. SHARDS_LANES says how many lanes there are."""

from __future__ import annotations

import os

from writegate import Command, Service


class Book(Command, key="account"):
    """Book 1."""

    account: str
    seq: int


shards = Service("shards", commands=[Book], lanes=int(os.environ.get("SHARDS_LANES", "3")), keys_own_rows=True)
