"""What this process knows of a domain it holds: its epoch, what waits in it, what it has sent."""

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
from writegate_writer.receive.delivery import Delivery


class Phase(Enum):
    """Where a domain stands."""

    STARTING = "starting"  # nothing is consumed until an empty fenced transaction has committed
    SERVING = "serving"
    LEAVING = "leaving"  # being given up: no further turn


@dataclass(frozen=True, slots=True)
class Sent:
    """Rows of the outbox up to ``seq``, on their way to the broker."""

    seq: int
    confirmed: Future[None]


class Outbox:
    """What a domain's handlers emitted and the broker has not confirmed yet, in order."""

    def __init__(self) -> None:
        self._sent: deque[Sent] = deque()
        self._forgettable: int | None = None

    def __len__(self) -> int:
        return len(self._sent)

    def add(self, outgoing: list[Outgoing], confirmed: Future[None]) -> None:
        """Take note of rows that are being published."""
        self._sent.append(Sent(outgoing[-1].seq, confirmed))

    def confirmed_up_to(self) -> int | None:
        """Return the number up to which rows may be deleted, or None. Raises the error of a failed publish."""
        while self._sent and self._sent[0].confirmed.done():
            self._sent[0].confirmed.result()
            self._forgettable = self._sent.popleft().seq
        return self._forgettable

    def mark_deleted(self, seq: int) -> None:
        """The rows up to ``seq`` are deleted."""
        if self._forgettable == seq:
            self._forgettable = None


class Domain:
    """A domain that this process holds.

    Changed under the scheduler's lock only, except what belongs to the slot that takes its turn: ``outbox``,
    ``deferred``, ``stride``, ``rejections``, ``held_types``, ``failures``, ``deferred_full`` (which the control thread
    reads) and ``ahead``.
    """

    def __init__(self, name: str, epoch: int, lanes: tuple[tuple[str, int], ...]) -> None:
        self.name = name
        self.epoch = epoch
        self.lanes = lanes
        self.phase = Phase.STARTING
        self.generation = 0  # counts channels: what came on an earlier one is void
        self.stopped: frozenset[tuple[str, int]] = frozenset()  # lanes that a hold keeps from being consumed
        self.busy = False
        self.queued = False
        self.exclusive = False  # its next turn is to be the only one in this process
        self.deferred_full = False  # so much is deferred that its lanes are not consumed
        self.failures = 0  # in a row, for the back-off
        self.held_types: set[str] = set()  # command types that were held since their deployment is broken
        self.rejections = RejectionStreak()
        self.stride = Stride()
        self.resume_at = 0.0  # on the scheduler's clock: not to be started before
        self.outbox = Outbox()
        self.deferred = DeferredIndex()
        self.notified: tuple[int, Holds] | None = None  # revision and holds, as the control last read them
        self.changed = False  # that has changed since the last turn
        self.ahead: Future[None] | None = None  # its inbox is being read, for the next batch
        # A queue per service, since a batch is of one service, and one for its dead letters; served in turn.
        self._inbox: dict[tuple[str, bool], deque[Delivery]] = {
            (service, dead): deque() for service, _ in lanes for dead in (False, True)
        }
        self._turn = deque(self._inbox)

    @property
    def waiting(self) -> int:
        """Messages that wait here."""
        return sum(len(queue) for queue in self._inbox.values())

    def inboxes(self) -> Iterator[tuple[str, int, Delivery | None]]:
        """Return of each service how many messages wait, and the first of them. From any thread: a glance.

        Without dead letters, which may be as old as can be.
        """
        for (service, dead), queue in self._inbox.items():
            if dead:
                continue
            first = None
            with suppress(IndexError):  # a slot may take it right now
                first = queue[0]
            yield service, len(queue), first

    def put(self, delivery: Delivery) -> None:
        """Take in a delivery."""
        self._inbox[delivery.service, delivery.dead].append(delivery)

    def first(self) -> Delivery | None:
        """Return what :meth:`next_queue` would have first; None when nothing waits."""
        for name in self._turn:
            with suppress(IndexError):  # the hub thread may empty it right now
                return self._inbox[name][0]
        return None

    def coming(self) -> deque[Delivery] | None:
        """Return what :meth:`next_queue` would, without taking it for served."""
        return next((self._inbox[name] for name in self._turn if self._inbox[name]), None)

    def next_queue(self) -> deque[Delivery] | None:
        """Return the queue whose turn it is among those that have something waiting."""
        for _ in range(len(self._turn)):
            name = self._turn[0]
            self._turn.rotate(-1)
            if self._inbox[name]:
                return self._inbox[name]
        return None

    def empty(self) -> None:
        """Drop what waits, since its channel goes: the broker will deliver it again, in order."""
        for queue in self._inbox.values():
            queue.clear()
        self.generation += 1
