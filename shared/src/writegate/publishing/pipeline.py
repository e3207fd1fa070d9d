"""The order rule of publishing: which message may be sent now. Pure; used on the publisher's I/O thread.

There is at most one unconfirmed message per key. Later commands of that key wait, and are packed together into the
next message; messages of different keys are pipelined. So order per key holds even when the broker refuses one message
and accepts the next: the next one never has the same key.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from writegate.errors import PublishError
from writegate.message.envelope import MAX_PARTS, PACK_BYTES, Item, row_bytes
from writegate.message.topology import Route


class Call:
    """One publish call, which ends when all its parcels are settled.

    ``finish`` is called once, on the I/O thread, with None or the first error. ``deadline`` is the clock's time at
    which the call fails; None means never. ``spool_at`` is the time from which its parcels go to the spool; None means
    that they may not. ``spooled`` holds the ids of its commands that are in the spool.
    """

    __slots__ = (
        "deadline",
        "done",
        "due_with",
        "error",
        "finish",
        "first_id",
        "parcels",
        "receipt",
        "spool_at",
        "spooled",
    )

    def __init__(
        self,
        finish: Any,
        deadline: float | None,
        first_id: str,
        *,
        spool_at: float | None = None,
        receipt: bool = False,
    ) -> None:
        self.finish = finish
        self.deadline = deadline
        self.first_id = first_id
        self.spool_at = spool_at
        self.receipt = receipt
        self.spooled: set[str] = set()
        self.due_with: dict[Call, None] | None = None  # the calls that are due at the same tick, this one included
        self.parcels = 0
        self.error: Exception | None = None
        self.done = False

    def settle(self, error: Exception | None) -> None:
        """Count one parcel as settled; the last one ends the call."""
        self.parcels -= 1
        if error is not None and self.error is None:
            self.error = error
        if self.parcels == 0:
            self.end(self.error)

    def end(self, error: Exception | None) -> None:
        """End the call now. Later calls of this method do nothing."""
        if self.done:
            return
        self.done = True
        if self.due_with is not None:
            self.due_with.pop(self, None)
        # The function may refer to this call: without this, only the garbage collector would free the two.
        finish, self.finish = self.finish, None
        finish(error)


class Parcel:
    """The content of one message: commands of one route, and the calls that wait for its confirm."""

    __slots__ = (
        "blockers",
        "bytes",
        "calls",
        "headers",
        "items",
        "keys",
        "message_id",
        "refusals",
        "reply_to",
        "route",
        "sent",
        "superseded",
    )

    def __init__(
        self,
        route: Route,
        items: Sequence[Item],
        call: Call,
        headers: Mapping[str, Any] | None = None,
        reply_to: str | None = None,
    ) -> None:
        self.route = route
        self.items = list(items)
        self.calls = [call]
        call.parcels += 1
        self.headers = headers  # added to those of the envelope; a parcel with such headers is not joined to others
        self.reply_to = reply_to  # the address for replies, instead of this publisher's
        # Commands without a key have no order to keep, so they never wait.
        self.keys = tuple(dict.fromkeys((route.exchange, item.key) for item in items if item.key is not None))
        self.bytes = sum(row_bytes(item) for item in items)
        self.blockers = 0
        self.sent = False
        self.superseded = False  # its commands are in another parcel or in the spool: it must not be sent
        self.refusals = 0  # how often a full lane refused it
        self.message_id = ""

    @property
    def abandoned(self) -> bool:
        """Whether all its calls have ended."""
        return all(call.done for call in self.calls)

    @property
    def no_deadline(self) -> bool:
        """Whether one of its calls has no time limit and waits until a full lane takes it."""
        return any(call.deadline is None for call in self.calls)

    @property
    def spoolable(self) -> bool:
        """Whether it may go to the spool."""
        return all(call.spool_at is not None for call in self.calls)

    def settle(self, error: Exception | None) -> None:
        """Settle it in every call; an error names the call's own command."""
        shared = len(self.calls) > 1
        for call in self.calls:
            call.settle(error.about(call.first_id) if shared and isinstance(error, PublishError) else error)


class Pipeline:
    """The parcels of one publisher, in the order of its calls."""

    def __init__(self) -> None:
        self._queues: dict[tuple[str, str | None], deque[Parcel]] = {}
        self._lanes: dict[Route, dict[Parcel, None]] = {}  # all parcels, in the order of the calls
        self._waiting = 0

    @property
    def lanes(self) -> list[Route]:
        """The routes of its parcels."""
        return list(self._lanes)

    def of_lane(self, route: Route) -> list[Parcel]:
        """Return the parcels of a route, in the order of the calls."""
        return list(self._lanes.get(route, ()))

    @property
    def waiting(self) -> int:
        """Parcels held back by an earlier one of their key."""
        return self._waiting

    def add(self, parcel: Parcel) -> bool:
        """Add a parcel; return whether it may be sent now."""
        for key in parcel.keys:
            queue = self._queues.setdefault(key, deque())
            parcel.blockers += bool(queue)
            queue.append(parcel)
        self._lanes.setdefault(parcel.route, {})[parcel] = None
        self._waiting += parcel.blockers > 0
        return parcel.blockers == 0

    def settle(self, parcel: Parcel) -> list[Parcel]:
        """Remove a parcel that was confirmed or has failed; return those that may be sent now, packed."""
        self._remove(parcel)
        freed = []
        for key in parcel.keys:
            queue = self._queues[key]
            was_head = queue[0] is parcel
            queue.remove(parcel)
            if not queue:
                del self._queues[key]
            elif was_head:
                head = queue[0]
                head.blockers -= 1
                if head.blockers == 0:
                    self._waiting -= 1
                    freed.append(self._packed(head))
        self._waiting -= parcel.blockers > 0
        return freed

    def take_lane(self, route: Route) -> list[Parcel]:
        """Remove and return a route's spoolable parcels, in the order of the calls."""
        return self._take([parcel for parcel in self.of_lane(route) if parcel.spoolable])

    def take_unsent(self, route: Route, call: Call) -> list[Parcel]:
        """Remove and return a call's parcels that have not been sent."""
        return self._take([parcel for parcel in self.of_lane(route) if call in parcel.calls and not parcel.sent])

    def _take(self, taken: list[Parcel]) -> list[Parcel]:
        # From the last one to the first: in this order no remaining parcel becomes free to be sent.
        for parcel in reversed(taken):
            parcel.superseded = True
            self.settle(parcel)
        return taken

    def joins(self, head: Parcel, other: Parcel) -> bool:
        """Join ``other`` to ``head`` if both may be sent now and fit one message; return whether that was done."""
        if not _fit(head, other):
            return False
        for key in other.keys:
            self._queues[key][0] = head
        # They have no key in common: otherwise one of them would not be free to be sent.
        head.keys += other.keys
        self._take_over(head, other)
        return True

    def _packed(self, head: Parcel) -> Parcel:
        """Join to ``head`` the parcels that wait directly behind it, as many as fit one message."""
        if len(head.keys) != 1:
            return head
        queue = self._queues[head.keys[0]]
        while len(queue) > 1 and queue[1].keys == head.keys and _fit(head, queue[1]):
            following = queue[1]
            del queue[1]
            self._waiting -= 1
            self._take_over(head, following)
        return head

    def _take_over(self, head: Parcel, other: Parcel) -> None:
        head.items += other.items
        head.calls += other.calls
        head.bytes += other.bytes
        other.superseded = True
        self._remove(other)

    def _remove(self, parcel: Parcel) -> None:
        lane = self._lanes[parcel.route]
        del lane[parcel]
        if not lane:
            del self._lanes[parcel.route]


def _fit(head: Parcel, other: Parcel) -> bool:
    return (
        head.route == other.route
        and head.bytes + other.bytes <= PACK_BYTES
        and len(head.items) + len(other.items) <= MAX_PARTS
        and head.headers is None
        and other.headers is None
        and head.reply_to == other.reply_to
        and head.spoolable == other.spoolable
        and not head.sent
        and not other.sent
    )


def pack(items: Iterable[Item]) -> list[list[Item]]:
    """Split commands of one lane into lists that fit a message each, in order."""
    packs: list[list[Item]] = []
    free_bytes = 0
    for item in items:
        size = row_bytes(item)
        if not packs or size > free_bytes or len(packs[-1]) == MAX_PARTS:
            packs.append([])
            free_bytes = PACK_BYTES
        packs[-1].append(item)
        free_bytes -= size
    return packs


def parcels_of(
    addressed: Sequence[tuple[Route, Item]],
    call: Call,
    headers: Mapping[str, Any] | None = None,
    reply_to: str | None = None,
) -> list[Parcel]:
    """Return the parcels of a call: each route's items in order, as many in a message as fit."""
    by_route: dict[Route, list[Item]] = {}
    for route, item in addressed:
        by_route.setdefault(route, []).append(item)
    return [
        Parcel(route, packed, call, headers, reply_to) for route, items in by_route.items() for packed in pack(items)
    ]
