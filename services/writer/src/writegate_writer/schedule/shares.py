"""Who serves which domain. Pure: the control connection reads the rows and carries out the change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Holding:
    """A row of ``writegate.domain``: ``free`` when nobody's lease is valid.

    ``revision`` counts what people changed about what waits in it.
    """

    domain: str
    owner: str | None
    epoch: int
    free: bool
    revision: int = 0


@dataclass(frozen=True, slots=True)
class ShareChange:
    """What a writer should do about its share."""

    claim: tuple[str, ...]
    release: tuple[str, ...]


def share_change(me: str, writers: int, holdings: Sequence[Holding]) -> ShareChange:
    """Return what ``me`` should claim or let go of, so that ``writers`` writers share the domains evenly.

    Everybody gets the share rounded down before anybody gets one more. Who has more than the share rounded up lets go
    of the surplus; where that does not suffice, the first of those with one more lets go of it. What is even stays.
    """
    least, uneven = divmod(len(holdings), max(writers, 1))
    most = least + (uneven > 0)
    free = sorted(one.domain for one in holdings if one.free)
    mine = sorted(one.domain for one in holdings if one.owner == me and not one.free)
    held = Counter(one.owner for one in holdings if not one.free)
    # What the writers below the least share need: those that hold something, and those that hold nothing.
    needed = sum(max(least - count, 0) for count in held.values()) + least * max(writers - len(held), 0)
    if len(mine) > most:
        return ShareChange((), tuple(mine[most:]))
    if len(mine) < least:
        return ShareChange(tuple(free[: least - len(mine)]), ())
    if len(mine) == least:
        return ShareChange(tuple(free[:1]) if uneven and len(free) > needed else (), ())
    # One more than the least share: is it needed, and is it mine that goes?
    missing = needed - len(free) - sum(max(count - most, 0) for count in held.values())
    first = sorted(str(owner) for owner, count in held.items() if count == most)[: max(missing, 0)]
    return ShareChange((), tuple(mine[-1:]) if me in first else ())
