"""Which of the ledger's partitions may know an id. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from writegate.contract.ids import millis_of
from writegate_writer.receive.delivery import Arrived, Refused

_FAST_CLOCK_SECONDS = 3600.0  # a clock may be so much ahead


def oldest_day(parts: Sequence[Arrived | Refused], now: datetime, retention: timedelta) -> date:
    """Return the first day on which one of these could have been decided, as far as their service wants to know.

    Ids that carry a time spare the search of older partitions. What is older than this service's retention may still
    be there for another's sake.
    """
    times = [millis_of(one.item.id) if one.item is not None else None for one in parts]
    known = [one / 1000 for one in times if one is not None]
    # A time to come tells nothing: such an id may have been decided long before that time.
    if not known or len(known) < len(times) or max(known) > now.timestamp() + _FAST_CLOCK_SECONDS:
        first = now - retention
    else:
        first = datetime.fromtimestamp(min(known), UTC)
    # A day of grace: the publisher's clock and the database's need not agree, nor their time zones.
    return first.date() - timedelta(days=1)
