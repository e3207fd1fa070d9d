"""What a drain waits for, and whether it is over. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from writegate.contract.lanes import lane_of
from writegate.contract.targets import Target

Lane = tuple[str, int]

# A broker counts what is in a quorum queue every five seconds: what it says after this includes all that was there.
COUNTED_SECONDS = 6.0


def lanes_of(target: Target, lanes: Mapping[Lane, str], tables: Mapping[str, Iterable[str]]) -> list[Lane]:
    """Return the lanes in which commands for a target travel. ``lanes``: domain by lane; ``tables``: by domain."""
    if target.table is not None:
        domains = {domain for domain, names in tables.items() if target.table in names}
        return sorted(lane for lane, domain in lanes.items() if domain in domains)
    own = sorted(lane for lane in lanes if lane[0] == target.service)
    if target.lane is not None:
        return [lane for lane in own if lane[1] == target.lane]
    if target.key is not None:
        return [lane for lane in own if lane[1] == lane_of(target.key, len(own))]
    return own


@dataclass(frozen=True, slots=True)
class Counted:
    """A queue as the broker counted it: messages that are in it, and those acknowledged since it exists."""

    messages: int
    acknowledged: int


class Queues:
    """What was in the queues when the drain began, and how much of it is gone since."""

    def __init__(self) -> None:
        self._first: dict[str, Counted] = {}

    def left(self, counted: Mapping[str, Counted]) -> dict[str, int]:
        """Return what is left of it by queue, without the empty ones. The first call says what there was.

        A queue is first in, first out: what is acknowledged first was there first. A counter that began anew (the queue
        moved to another node) counts for nothing, an empty queue for all.
        """
        left = {}
        for name, now in counted.items():
            first = self._first.setdefault(name, now)
            if now.acknowledged < first.acknowledged:
                first = self._first[name] = now
            gone = now.acknowledged - first.acknowledged
            if now.messages and (rest := first.messages - gone) > 0:
                left[name] = min(rest, now.messages)
        return left


def covering(target: Target, lanes: Sequence[Lane], holds: Iterable[str]) -> str | None:
    """Return a hold that stops all of a target, if there is one: then its commands wait on purpose."""
    wider = {str(target)}
    if target.service is not None:
        wider.add(target.service)
        if target.key is not None or target.lane is not None:
            wider |= {f"{service}.{lane}" for service, lane in lanes}
    return next((hold for hold in holds if hold in wider), None)
