"""What a check finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Where = Literal["released", "parked", "deferred", "recent"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One way in which a contract would break something.

    ``rows``: how many commands it concerns, and ``first_id`` the oldest of them; None where the release is compared.
    """

    where: Where
    service: str
    task: str
    version: int
    why: str
    rows: int | None = None
    first_id: str | None = None
