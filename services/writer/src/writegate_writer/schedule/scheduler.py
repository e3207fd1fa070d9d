"""What the threads of a writer share: the domains it holds, and which of them gets a slot now.

Which thread calls what: the hub thread delivers messages and loses channels; slot threads take turns; the control
thread owns and disowns domains, and so does the watchdog. Every method takes the one lock; only :meth:`take` waits, and
gives the lock up while it does. The properties read one value and take no lock.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from writegate_writer.decide.holds import Holds
from writegate_writer.receive.delivery import Delivery
from writegate_writer.schedule.domain import Domain, Phase

# After a turn alone others go on for so many times as long as it kept them waiting.
_OTHERS_SHARE = 3.0


class DomainScheduler:
    """The domains of this process and the queue of those that have work to do."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._changed = threading.Condition()
        self._domains: dict[str, Domain] = {}
        self._ready: deque[Domain] = deque()
        self._later: dict[Domain, float] = {}  # when a domain gets a turn even if nothing arrives: one time each
        self._busy = 0  # turns being taken
        self._exclusive: Domain | None = None  # whose turn is the only one
        # Since when others have to wait for it; whose the last such turn was, whether others had one after it, and from
        # when on another such may begin if they had.
        self._exclusive_since: float | None = None
        self._last_exclusive: Domain | None = None
        self._exclusive_due = 0.0
        self._others_had_turns = False
        self._closed = False

    def domains(self) -> list[Domain]:
        """The domains held now."""
        with self._changed:
            return list(self._domains.values())

    def own(self, domain: Domain) -> None:
        """Take in a domain: its first turn starts it."""
        with self._changed:
            self._domains[domain.name] = domain
            self._enqueue(domain)

    def disown(self, domain: Domain) -> None:
        """Give up a domain: no further turn. Harmless when repeated."""
        with self._changed:
            if self._domains.get(domain.name) is domain:
                del self._domains[domain.name]
            domain.phase = Phase.GIVING_UP
            self._later.pop(domain, None)
            domain.empty()
            self._changed.notify_all()

    def deliver(self, domain: Domain, delivery: Delivery) -> bool:
        """Take in a delivery; False when it came on a channel that is void."""
        with self._changed:
            if domain.phase is not Phase.SERVING or delivery.generation != domain.generation:
                return False
            domain.put(delivery)
            self._enqueue(domain)
            return True

    def drop(self, domain: Domain) -> None:
        """Void what waits in a domain, since its channel is gone."""
        with self._changed:
            domain.empty()

    def serve(self, domain: Domain) -> bool:
        """Let a domain that has started be consumed; False when it was given up meanwhile."""
        with self._changed:
            if domain.phase is Phase.GIVING_UP:
                return False
            domain.phase = Phase.SERVING
            return True

    def suspend(self, domain: Domain, seconds: float) -> None:
        """Void what waits in a domain and start it again after a while."""
        with self._changed:
            domain.empty()
            if domain.phase is not Phase.GIVING_UP:
                domain.phase = Phase.STARTING
                domain.resume_at = self._now() + seconds
                self._schedule(domain, seconds)

    def stop_lanes(self, domain: Domain, stopped: frozenset[tuple[str, int]]) -> bool:
        """Consume all but these lanes from now on; False when that is so already."""
        with self._changed:
            if domain.stopped == stopped:
                return False
            domain.stopped = stopped
            if domain.phase is Phase.SERVING:
                # As after a lost channel: what waits comes again, on a channel without them.
                domain.empty()
                domain.phase = Phase.STARTING
                self._schedule(domain, 0.0)
            return True

    def notify(self, domain: Domain, revision: int, holds: Holds) -> None:
        """Pass on what people have done: if it is new, the domain gets a turn that tries again what is deferred."""
        with self._changed:
            if domain.notified != (revision, holds):
                domain.notified, domain.changed = (revision, holds), True
                if domain.phase is Phase.SERVING:
                    self._schedule(domain, 0.0)

    def take_revision(self, domain: Domain) -> int | None:
        """Return the revision that :meth:`notify` brought since the last turn; None when nothing has changed."""
        with self._changed:
            if not domain.changed or domain.notified is None:
                return None
            domain.changed = False
            return domain.notified[0]

    def again(self, domain: Domain, seconds: float) -> None:
        """Give the domain a turn after a while, even if nothing arrives."""
        with self._changed:
            self._schedule(domain, seconds)

    def take(self, timeout: float) -> Domain | None:
        """Return a domain for one turn, or None after ``timeout`` seconds without work or when closed.

        It is the caller's alone until :meth:`give_back`: that is what makes a domain serial within this process.
        """
        deadline = self._now() + timeout
        with self._changed:
            while not self._closed:
                domain = self._next()
                left = deadline - self._now()
                if domain is not None or left <= 0:
                    return domain
                # Not for busy domains: when their turn ends everybody who waits here is woken.
                due = min((at for later, at in self._later.items() if not later.busy), default=deadline)
                if self._ready and self._exclusive is None and not self._busy:
                    due = min(due, self._exclusive_due)  # they wait until one of them may be alone
                self._changed.wait(max(min(left, due - self._now()), 0.001))
            return None

    @property
    def crowded(self) -> bool:
        """Whether domains wait for a slot."""
        return bool(self._ready)

    def request_exclusive_turn(self, domain: Domain) -> bool:
        """Return whether the domain's present turn is the only one in this process. If not, its next one will be.

        For commands that are suspected to end the process: if others were applied at the same time, nobody could say
        which of them ended it. As long as others have work they get most of the time, whatever is suspected.
        """
        with self._changed:
            domain.exclusive = True
            return self._exclusive is domain

    def _next(self) -> Domain | None:
        self._wake_due()
        put_off: list[Domain] = []
        try:
            while self._ready and self._exclusive is None:
                domain = self._ready[0]
                giving_up = domain.phase is Phase.GIVING_UP
                alone = domain.exclusive and not giving_up
                if alone and self._others_had_turns and self._now() < self._exclusive_due:
                    put_off.append(self._ready.popleft())
                    continue
                if alone and self._busy:
                    self._exclusive_since = self._exclusive_since or self._now()
                    return None  # the others end their turns first; it stays in front, so that it is next
                self._ready.popleft()
                domain.queued = False
                if not giving_up:
                    return self._begin(domain)
            return None
        finally:
            self._ready.extendleft(reversed(put_off))

    def _begin(self, domain: Domain) -> Domain:
        domain.busy = True
        self._busy += 1
        if domain.exclusive:
            self._exclusive = domain
            self._exclusive_since = self._exclusive_since or self._now()
        else:
            self._exclusive_since = None  # who waited to be alone, if anybody, was given up meanwhile
            self._others_had_turns |= domain is not self._last_exclusive
        return domain

    def give_back(self, domain: Domain) -> None:
        """End a turn; the domain gets another, behind the others, while something waits in it."""
        with self._changed:
            domain.busy = False
            self._busy -= 1
            if self._exclusive is domain:
                self._exclusive, domain.exclusive, self._last_exclusive = None, False, domain
                now = self._now()
                self._exclusive_due = now + _OTHERS_SHARE * (now - (self._exclusive_since or now))
                self._exclusive_since, self._others_had_turns = None, False
            if domain.phase is Phase.SERVING and (domain.messages_in_memory or domain.exclusive):
                self._enqueue(domain)
            self._changed.notify_all()

    def close(self) -> None:
        """End all turns: slots finish what they do and take nothing more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def closed(self) -> bool:
        """Whether the process is shutting down."""
        return self._closed

    def _enqueue(self, domain: Domain) -> None:
        resting = domain.phase is Phase.STARTING and self._now() < domain.resume_at
        if not domain.queued and not domain.busy and not resting:
            domain.queued = True
            self._ready.append(domain)
            self._changed.notify()

    def _schedule(self, domain: Domain, seconds: float) -> None:
        # The earliest time is enough: each turn schedules the next one that it needs.
        if domain.phase is not Phase.GIVING_UP:
            at = self._now() + seconds
            self._later[domain] = min(self._later.get(domain, at), at)
            self._changed.notify()

    def _wake_due(self) -> None:
        """Enqueue the domains whose time has come; a busy one keeps its time until its turn is over."""
        now = self._now()
        due = [domain for domain, at in self._later.items() if at <= now and not domain.busy]
        for domain in sorted(due, key=self._later.__getitem__):
            if domain.phase is Phase.STARTING and now < domain.resume_at:
                self._later[domain] = domain.resume_at
            else:
                del self._later[domain]
                self._enqueue(domain)
