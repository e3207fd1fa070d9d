"""Which writer serves which domain. Pure: the control thread reads the rows and carries out the change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ownership:
    """A row of ``writegate.domain``: ``free`` when no writer's lease is valid.

    ``revision`` counts the changes that people made to its deferred commands.
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


def share_change(me: str, writers: int, ownerships: Sequence[Ownership]) -> ShareChange:
    """Return what ``me`` should claim or let go of, so that ``writers`` writers share the domains evenly.

    Every writer gets the share rounded down before any writer gets one more. A writer with more than the share rounded
    up lets go of the surplus. If that does not suffice, the first of the writers with one more let go of it. When the
    domains are shared evenly nothing changes.
    """
    least, uneven = divmod(len(ownerships), max(writers, 1))
    most = least + (uneven > 0)
    free = sorted(ownership.domain for ownership in ownerships if ownership.free)
    mine = sorted(ownership.domain for ownership in ownerships if ownership.owner == me and not ownership.free)
    held = Counter(ownership.owner for ownership in ownerships if not ownership.free)
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
