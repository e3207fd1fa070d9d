"""Which of the ledger's partitions may know an id. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from writegate.contract.ids import millis_of
from writegate_writer.receive.delivery import Arrived, Refused

_MOST_CLOCK_LEAD_SECONDS = 3600.0  # how far a publisher's clock may be ahead of ours


def oldest_day(parts: Sequence[Arrived | Refused], now: datetime, retention: timedelta) -> date:
    """Return the first day on which one of these parts could have been decided, within their service's retention.

    A command is not decided before the time in its id, so older partitions need not be searched. Without such a time
    the search goes back as far as the retention. Older partitions may exist: another service may keep its rows longer.
    """
    times = [millis_of(part.item.id) if part.item is not None else None for part in parts]
    known = [millis / 1000 for millis in times if millis is not None]
    # An id with a time in the future may have been decided long before that time.
    if not known or len(known) < len(times) or max(known) > now.timestamp() + _MOST_CLOCK_LEAD_SECONDS:
        first = now - retention
    else:
        first = datetime.fromtimestamp(min(known), UTC)
    # One day more: the clocks of publisher and database may differ, and so may their time zones.
    return first.date() - timedelta(days=1)
