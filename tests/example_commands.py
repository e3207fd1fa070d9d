"""Commands of the example services, as they come over the wire, for the tests of several packages."""

from __future__ import annotations

import json
from typing import Any

from flights.contract import RecordDeparture
from weather.contract import Observe

DEPARTURE: dict[str, Any] = {
    "carrier": "UA",
    "number": 1545,
    "day": "2013-01-01",
    "origin": "EWR",
    "destination": "IAH",
    "distance": 1400,
    "tail": "N14228",
    "scheduled_at": "2013-01-01T10:15:00Z",
    "departed_at": "2013-01-01T10:17:00Z",
}


def departure(**changes: Any) -> RecordDeparture:
    """Return a departure as it comes over the wire, with some fields changed."""
    return RecordDeparture.model_validate_json(json.dumps(DEPARTURE | changes))


def observe(hour: str = "2013-01-01T06:00:00Z", **figures: Any) -> Observe:
    """Return an observation with some figures."""
    return Observe.model_validate_json(json.dumps({"airport": "EWR", "hour": hour, **figures}))
