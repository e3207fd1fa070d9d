"""The publisher of this process."""

from __future__ import annotations

from functools import cache

from writegate.config import Settings
from writegate.publish import Publisher


@cache
def publisher() -> Publisher:
    """Return it, made at the first call; it closes itself when the process ends."""
    return Publisher(Settings.load(need=("broker_url",)))
