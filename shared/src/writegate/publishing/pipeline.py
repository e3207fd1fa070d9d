"""Which message may travel when: the order rule of publishing, without I/O.

At most one unconfirmed message per key. Later commands of that key wait, and travel packed together in the next
message; different keys are pipelined. That is what keeps order per key when the broker refuses one message of a
pipeline and accepts the next: with the rule, "the next" is never of the same key.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from writegate.errors import PublishError
from writegate.message.envelope import MAX_BODY_BYTES, Item, row_bytes
from writegate.message.topology import Route

# What a message of many may hold: the cap less what the frame around the commands takes.
PACK_BYTES = MAX_BODY_BYTES - 1024


class Call:
    """One call of a publisher, waiting for all its parcels.

    ``finish`` is called once, from the I/O thread, with None or the first error. ``deadline`` is a time of the clock
    that expires it, or None to wait for ever; from ``spool_at`` on its parcels go to the spool, if there is one; None:
    never. ``spooled`` holds the ids of those commands that are in the spool, not at the broker.
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
        self.due_with: set[Call] | None = None  # those whose time comes at the same moment
        self.parcels = 0
        self.error: Exception | None = None
        self.done = False

    def settle(self, error: Exception | None) -> None:
        """Count one parcel as settled; the last one finishes the call."""
        self.parcels -= 1
        if error is not None and self.error is None:
            self.error = error
        if self.parcels == 0:
            self.end(self.error)

    def end(self, error: Exception | None) -> None:
        """Finish the call now, once."""
        if self.done:
            return
        self.done = True
        if self.due_with is not None:
            self.due_with.discard(self)
        # It may refer to this call: a circle of two that only the garbage collector would find.
        finish, self.finish = self.finish, None
        finish(error)


class Parcel:
    """What travels in one message: commands of one route, and the calls that wait for its confirm."""

    __slots__ = (
        "blockers",
        "bytes",
        "calls",
        "headers",
        "items",
        "keys",
        "message_id",
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
        self.headers = headers  # beside those of the envelope; a parcel that has some is not joined to others
        self.reply_to = reply_to  # where replies go instead of to this publisher
        # Without a key nothing is promised, so nothing waits.
        self.keys = tuple(dict.fromkeys((route.exchange, item.key) for item in items if item.key is not None))
        self.bytes = sum(row_bytes(item) for item in items)
        self.blockers = 0
        self.sent = False
        self.superseded = False  # into another parcel, or into the spool
        self.message_id = ""

    @property
    def abandoned(self) -> bool:
        """Whether nobody waits for it any more."""
        return all(call.done for call in self.calls)

    @property
    def no_deadline(self) -> bool:
        """Whether somebody waits for ever, for whom no time limit decides: a full queue is waited out."""
        return any(call.deadline is None for call in self.calls)

    @property
    def spoolable(self) -> bool:
        """Whether it may go to the spool."""
        return all(call.spool_at is not None for call in self.calls)

    def settle(self, error: Exception | None) -> None:
        """Tell every call, each of its own command."""
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
        """Take in a parcel; return whether it may travel now."""
        for key in parcel.keys:
            queue = self._queues.setdefault(key, deque())
            parcel.blockers += bool(queue)
            queue.append(parcel)
        self._lanes.setdefault(parcel.route, {})[parcel] = None
        self._waiting += parcel.blockers > 0
        return parcel.blockers == 0

    def settle(self, parcel: Parcel) -> list[Parcel]:
        """Let go of a parcel that was confirmed or has failed; return those that may travel now, packed."""
        self._forget(parcel)
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
        """Take out what may go to the spool of a route's parcels; return them in the order of the calls."""
        return self._take([parcel for parcel in self.of_lane(route) if parcel.spoolable])

    def take_unsent(self, route: Route, call: Call) -> list[Parcel]:
        """Take out what has not left of a call's parcels."""
        return self._take([parcel for parcel in self.of_lane(route) if call in parcel.calls and not parcel.sent])

    def _take(self, taken: list[Parcel]) -> list[Parcel]:
        # From the last one on: then nothing that is still here ever seems to be free to travel.
        for parcel in reversed(taken):
            parcel.superseded = True
            self.settle(parcel)
        return taken

    def joins(self, head: Parcel, other: Parcel) -> bool:
        """Join ``other`` to ``head`` if both may travel now and one message carries them; return whether it did."""
        if not _fit(head, other):
            return False
        for key in other.keys:
            self._queues[key][0] = head
        # Without a common key, or one of them would not be free to travel.
        head.keys += other.keys
        self._take_over(head, other)
        return True

    def _packed(self, head: Parcel) -> Parcel:
        """Join to ``head`` the parcels that wait right behind it, as far as one message goes."""
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
        self._forget(other)

    def _forget(self, parcel: Parcel) -> None:
        lane = self._lanes[parcel.route]
        del lane[parcel]
        if not lane:
            del self._lanes[parcel.route]


def _fit(head: Parcel, other: Parcel) -> bool:
    return (
        head.route == other.route
        and head.bytes + other.bytes <= PACK_BYTES
        and head.headers is None
        and other.headers is None
        and head.reply_to == other.reply_to
        and head.spoolable == other.spoolable
        and not head.sent
        and not other.sent
    )


def pack(items: Iterable[Item]) -> list[list[Item]]:
    """Cut commands of one lane into message-sized lists, in order."""
    packs: list[list[Item]] = []
    room = 0
    for item in items:
        size = row_bytes(item)
        if not packs or size > room:
            packs.append([])
            room = PACK_BYTES
        packs[-1].append(item)
        room -= size
    return packs


def parcels_of(
    addressed: Sequence[tuple[Route, Item]],
    call: Call,
    headers: Mapping[str, Any] | None = None,
    reply_to: str | None = None,
) -> list[Parcel]:
    """Return the parcels of a call: a route's items in order, as many to a message as fit."""
    by_route: dict[Route, list[Item]] = {}
    for route, item in addressed:
        by_route.setdefault(route, []).append(item)
    return [
        Parcel(route, packed, call, headers, reply_to) for route, items in by_route.items() for packed in pack(items)
    ]
