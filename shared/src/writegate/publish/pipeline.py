"""Which message may travel when: the order rule of publishing, without I/O.

At most one unconfirmed message per key. Later commands of that key wait, and travel packed together in the next
message; different keys are pipelined. That is what keeps order per key when the broker refuses one message of a
pipeline and accepts the next: with the rule, "the next" is never of the same key.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from writegate.envelope import MAX_BODY_BYTES, Item, row_bytes
from writegate.topology import Route

# What a message of many may hold: the cap less what the frame around the commands takes.
PACK_BYTES = MAX_BODY_BYTES - 1024


class Call:
    """One call of a publisher, waiting for all its parcels.

    ``finish`` is called once, from the I/O thread, with None or the first error. ``deadline`` is a time of the clock
    that expires it, or None to wait for ever.
    """

    __slots__ = ("deadline", "done", "error", "finish", "first_id", "parcels", "receipt")

    def __init__(self, finish: Any, deadline: float | None, first_id: str, receipt: bool = False) -> None:
        self.finish = finish
        self.deadline = deadline
        self.first_id = first_id
        self.receipt = receipt
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
        if not self.done:
            self.done = True
            self.finish(error)


class Parcel:
    """What travels in one message: commands of one route, and the calls that wait for its confirm."""

    __slots__ = ("blockers", "bytes", "calls", "headers", "items", "keys", "message_id", "reply_to", "route", "sent")

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
        self.message_id = ""

    @property
    def abandoned(self) -> bool:
        """Whether nobody waits for it any more."""
        return all(call.done for call in self.calls)

    @property
    def patient(self) -> bool:
        """Whether somebody waits for ever, for whom no time limit decides: a full queue is waited out."""
        return any(call.deadline is None for call in self.calls)

    def settle(self, error: Exception | None) -> None:
        """Tell every call."""
        for call in self.calls:
            call.settle(error)


class Pipeline:
    """The parcels of one publisher, in the order of its calls."""

    def __init__(self) -> None:
        self._queues: dict[tuple[str, str | None], deque[Parcel]] = {}
        self._waiting = 0

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
        self._waiting += parcel.blockers > 0
        return parcel.blockers == 0

    def settle(self, parcel: Parcel) -> list[Parcel]:
        """Let go of a parcel that was confirmed or has failed; return those that may travel now, packed."""
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

    def _packed(self, head: Parcel) -> Parcel:
        """Join to ``head`` the parcels that wait right behind it, as far as one message goes."""
        if len(head.keys) != 1 or head.headers is not None:
            return head
        queue = self._queues[head.keys[0]]
        while len(queue) > 1:
            following = queue[1]
            fits = head.bytes + following.bytes <= PACK_BYTES
            if (
                not fits
                or following.keys != head.keys
                or following.route != head.route
                or following.headers is not None
            ):
                break
            del queue[1]
            self._waiting -= 1
            head.items += following.items
            head.calls += following.calls
            head.bytes += following.bytes
        return head


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
