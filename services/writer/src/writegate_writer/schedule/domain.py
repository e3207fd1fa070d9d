"""The state of a domain that this process holds: its epoch, its inbox, what is deferred, what it has sent. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum

from writegate_writer.decide.bisection import Stride
from writegate_writer.decide.deferral import DeferredIndex
from writegate_writer.decide.holds import Holds
from writegate_writer.decide.rejections import RejectionStreak
from writegate_writer.decide.store import Outgoing
from writegate_writer.decide.trial import Undecided
from writegate_writer.receive.delivery import Delivery
from writegate_writer.schedule.questions import Questions

_Queue = tuple[str, bool, int]  # service, whether of dead letters, lane


class Phase(Enum):
    """Whether a domain is consumed."""

    STARTING = "starting"  # nothing is consumed until an empty fenced transaction has committed
    SERVING = "serving"
    GIVING_UP = "leaving"  # it takes no further turn; the value is a label of a metric


@dataclass(frozen=True, slots=True)
class Sent:
    """Rows of the outbox up to ``seq`` that were sent to the broker. ``confirmed`` is done once it has them."""

    seq: int
    confirmed: Future[None]


class Outbox:
    """What a domain's handlers emitted and the broker has not confirmed yet, in order.

    Only the slot thread that takes the domain's turn touches it. The publisher's thread completes the futures.
    """

    def __init__(self) -> None:
        self._sent: deque[Sent] = deque()
        self._confirmed_seq: int | None = None  # confirmed, and not deleted from the table yet

    def __len__(self) -> int:
        return len(self._sent)

    def add(self, outgoing: list[Outgoing], confirmed: Future[None]) -> None:
        """Add rows that are being published; they are confirmed together."""
        self._sent.append(Sent(outgoing[-1].seq, confirmed))

    def confirmed_up_to(self) -> int | None:
        """Return the number up to which rows may be deleted, or None. Raises the error of a failed publish."""
        while self._sent and self._sent[0].confirmed.done():
            self._sent[0].confirmed.result()
            self._confirmed_seq = self._sent.popleft().seq
        return self._confirmed_seq

    def mark_deleted(self, seq: int) -> None:
        """The rows up to ``seq`` are deleted."""
        if self._confirmed_seq == seq:
            self._confirmed_seq = None


class Domain:
    """A domain that this process holds.

    Which thread may touch what:

    - Only the slot thread that takes the domain's turn: ``outbox``, ``outbox_full_since``, ``forwards``, ``questions``,
      ``deferred``, ``stride``, ``rejections``, ``held_types``, ``undecided``, ``failures``, ``next_reading``, and
      ``deferred_full``, which the control thread reads.
    - Everything else is changed under the scheduler's lock, with one exception: in its turn the slot thread takes
      deliveries from the inbox without the lock (see :func:`~writegate_writer.schedule.batching.take_batch`).
    - A reader thread reads the inbox and sets ``parts`` of deliveries in it; the next turn waits for it first.
    """

    def __init__(
        self, name: str, epoch: int, lanes: tuple[tuple[str, int], ...], undecided: Undecided | None = None
    ) -> None:
        self.name = name
        self.epoch = epoch
        self.lanes = lanes
        self.phase = Phase.STARTING
        self.generation = 0  # counts channels: deliveries of an earlier channel are ignored
        self.stopped: frozenset[tuple[str, int]] = frozenset()  # lanes that are not consumed, because of a hold
        self.busy = False
        self.queued = False
        self.exclusive = False  # its next turn is to be the only one in this process
        self.deferred_full = False  # too many commands are deferred: its lanes are not consumed
        self.failures = 0  # failed turns in a row, for the back-off
        self.held_types: set[str] = set()  # command types that are held because their deployment is broken
        self.undecided = Undecided() if undecided is None else undecided
        self.rejections = RejectionStreak()
        self.stride = Stride()
        self.resume_at = 0.0  # on the scheduler's clock, in seconds: it is not started earlier
        self.outbox = Outbox()
        self.outbox_full_since: float | None = None  # on the monotonic clock, or when it took its last batch since
        self.forwards: deque[tuple[float, Future[None]]] = deque()  # commands for other lanes: when sent, the confirm
        self.questions = Questions()
        self.deferred = DeferredIndex()
        self.notified: tuple[int, Holds] | None = None  # revision and holds, as the control thread last read them
        self.changed = False  # ``notified`` has changed since the last turn
        self.next_reading: Future[None] | None = None  # done when a reader thread has read the next batch
        # A queue for each lane, so that what is suspected in one makes no other wait; those of dead letters are apart.
        self._inbox: dict[_Queue, deque[Delivery]] = {
            (service, dead, lane): deque() for service, lane in lanes for dead in (False, True)
        }
        # Round robin among services, since a batch is of one service, and in each among its lanes.
        self._lanes: dict[tuple[str, bool], deque[int]] = {}
        for service, dead, lane in self._inbox:
            self._lanes.setdefault((service, dead), deque()).append(lane)
        self._services = deque(self._lanes)

    @property
    def messages_in_memory(self) -> int:
        """The number of messages in the inbox."""
        return sum(len(queue) for queue in self._inbox.values())

    def inboxes(self) -> Iterator[tuple[str, int, Delivery | None]]:
        """Return for each lane its service, how many messages wait, and the first of them.

        Without dead letters, which may be of any age. Any thread may call this, without the lock: the numbers are
        those of a moment.
        """
        for (service, dead, _), queue in self._inbox.items():
            if dead:
                continue
            first = None
            with suppress(IndexError):  # a slot thread may take it at the same time
                first = queue[0]
            yield service, len(queue), first

    def put(self, delivery: Delivery) -> None:
        """Add a delivery to the inbox."""
        self._inbox[delivery.service, delivery.dead, delivery.lane].append(delivery)

    def first(self) -> Delivery | None:
        """Return the first delivery of the first queue that :meth:`next_queues` would return; None without one."""
        for service, dead in self._services:
            for lane in self._lanes[service, dead]:
                with suppress(IndexError):  # the hub thread may empty it at the same time
                    return self._inbox[service, dead, lane][0]
        return None

    def coming(self) -> list[deque[Delivery]]:
        """Return the queues that :meth:`next_queues` would return, and keep their place in the round robin."""
        name = self._next()
        return [] if name is None else self._queues(name)

    def next_queues(self) -> tuple[str, list[deque[Delivery]]]:
        """Return the service whose turn it is, and the queue of its lane whose turn it is, in which something waits.

        After it come those of its other lanes, of which something may join the batch. No queue: nothing waits.
        """
        name = self._next()
        if name is None:
            return "", []
        service, dead, lane = name
        queues = self._queues(name)
        self._services.remove((service, dead))
        self._services.append((service, dead))
        self._lanes[service, dead].remove(lane)
        self._lanes[service, dead].append(lane)
        return service, queues

    def _queues(self, name: _Queue) -> list[deque[Delivery]]:
        service, dead, lane = name
        others = [other for other in self._lanes[service, dead] if other != lane]
        return [self._inbox[name], *(self._inbox[service, dead, other] for other in others)]

    def _next(self) -> _Queue | None:
        for service, dead in self._services:
            for lane in self._lanes[service, dead]:
                if self._inbox[service, dead, lane]:
                    return service, dead, lane
        return None

    def empty(self) -> None:
        """Drop what waits, since its channel is closed: the broker will deliver it again, in order."""
        for queue in self._inbox.values():
            queue.clear()
        self.generation += 1
