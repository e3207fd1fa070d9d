"""What a drain waits for, and whether it is over. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from writegate.contract.lanes import lane_of
from writegate.contract.targets import Target

LaneKey = tuple[str, int]
"""A service and the number of one of its lanes."""

# A broker counts what is in a quorum queue every five seconds: a count after this time includes all that was accepted
# before.
COUNTED_SECONDS = 6.0


def lanes_of(target: Target, domains: Mapping[LaneKey, str], tables: Mapping[str, Iterable[str]]) -> list[LaneKey]:
    """Return the lanes in which commands for a target travel. ``domains``: by lane; ``tables``: by domain."""
    if target.table is not None:
        touching = {domain for domain, names in tables.items() if target.table in names}
        return sorted(lane for lane, domain in domains.items() if domain in touching)
    own = sorted(lane for lane in domains if lane[0] == target.service)
    if target.lane is not None:
        return [lane for lane in own if lane[1] == target.lane]
    if target.key is not None:
        return [lane for lane in own if lane[1] == lane_of(target.key, len(own))]
    return own


@dataclass(frozen=True, slots=True)
class QueueCount:
    """A queue as the broker counted it: messages in it now, and those acknowledged since the queue exists."""

    messages: int
    acknowledged: int


class QueueProgress:
    """What was in the queues when the drain began, and how much of it is acknowledged since."""

    def __init__(self) -> None:
        self._first: dict[str, QueueCount] = {}

    def remaining(self, counts: Mapping[str, QueueCount]) -> dict[str, int]:
        """Return how much of what was there remains, by queue, without finished ones. The first call sets the start.

        A queue is first in, first out: what was there first is acknowledged first. A counter that starts again from
        zero (the queue moved to another node) restarts the count; an empty queue is always finished.
        """
        remaining = {}
        for name, now in counts.items():
            first = self._first.setdefault(name, now)
            if now.acknowledged < first.acknowledged:
                first = self._first[name] = now
            rest = first.messages - (now.acknowledged - first.acknowledged)
            if now.messages and rest > 0:
                remaining[name] = min(rest, now.messages)
        return remaining


def covering_hold(target: Target, lanes: Sequence[LaneKey], holds: Iterable[str]) -> str | None:
    """Return a hold that stops all of a target, None when there is none."""
    wider = {str(target)}
    if target.service is not None:
        wider.add(target.service)
        if target.key is not None or target.lane is not None:
            wider |= {f"{service}.{lane}" for service, lane in lanes}
    return next((hold for hold in holds if hold in wider), None)
