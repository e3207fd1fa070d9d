"""How much disk each service's part of the ledger takes, and will take. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

# Measured with ten million rows, indexes included. It stands for a ledger too small to measure.
USUAL_ROW_BYTES = 150
_FEW_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class LedgerShare:
    """One service's part.

    ``rows``: decided within ``retention``, or in the last day. ``bytes``: what they take, and what the retention will
    take if every day is like the last one.
    """

    service: str
    retention: timedelta
    rows: int
    rows_last_day: int
    row_bytes: int

    @property
    def bytes(self) -> int:
        return self.rows * self.row_bytes

    @property
    def bytes_at_this_rate(self) -> int:
        return round(self.rows_last_day * (self.retention / timedelta(days=1))) * self.row_bytes


def ledger_shares(
    services: Iterable[tuple[str, timedelta, int, int]], all_bytes: int, all_rows: int
) -> tuple[LedgerShare, ...]:
    """Return the parts of services ``(name, retention, rows, rows of the last day)`` in a ledger of this size."""
    row_bytes = round(all_bytes / all_rows) if all_rows > _FEW_ROWS else USUAL_ROW_BYTES
    return tuple(LedgerShare(*row, row_bytes) for row in services)
