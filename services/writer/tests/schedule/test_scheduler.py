"""The scheduler between the threads of a writer: turns, generations, and letting go."""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque

from tests.sample import first_queue
from writegate_writer.decide.holds import holds_of
from writegate_writer.receive.delivery import Delivery
from writegate_writer.schedule.domain import Domain, Phase
from writegate_writer.schedule.scheduler import DomainScheduler

LONG = 10.0  # seconds: only a failing test waits so long


def domain(name: str = "a") -> Domain:
    return Domain(name, 1, (("a", 0),))


def delivery(generation: int = 0, tag: int = 1) -> Delivery:
    return Delivery("a", 0, tag, generation, b"", {}, {})


def serving(scheduler: DomainScheduler, name: str = "a") -> Domain:
    """Own a domain and take it through its first turn."""
    owned = domain(name)
    scheduler.own(owned)
    assert scheduler.take(LONG) is owned
    assert scheduler.serve(owned)
    scheduler.give_back(owned)
    return owned


def test_a_domains_first_turn_starts_it_and_only_then_it_takes_deliveries() -> None:
    scheduler, owned = DomainScheduler(), domain()
    scheduler.own(owned)
    assert not scheduler.deliver(owned, delivery())
    assert scheduler.take(0) is owned
    assert owned.phase is Phase.STARTING
    assert scheduler.serve(owned)
    assert scheduler.deliver(owned, delivery())
    scheduler.give_back(owned)
    assert scheduler.take(0) is owned


def test_a_change_gives_a_domain_a_turn_and_what_it_has_seen_does_not() -> None:
    scheduler = DomainScheduler()
    owned = serving(scheduler)
    none, some = holds_of([]), holds_of([("a.b", "because")])
    for change in ((0, none), (1, none), (1, some)):
        scheduler.notify(owned, *change)
        assert scheduler.take(LONG) is owned
        assert scheduler.take_revision(owned) == change[0]
        scheduler.give_back(owned)
        scheduler.notify(owned, *change)
        assert scheduler.take(0) is None
        assert scheduler.take_revision(owned) is None


def test_without_work_there_is_no_turn() -> None:
    scheduler = DomainScheduler()
    serving(scheduler)
    started = time.monotonic()
    assert scheduler.take(0.05) is None
    assert time.monotonic() - started >= 0.05


def test_a_domain_is_in_one_turn_only() -> None:
    scheduler = DomainScheduler()
    owned = serving(scheduler)
    scheduler.deliver(owned, delivery())
    assert scheduler.take(0) is owned
    scheduler.deliver(owned, delivery())
    scheduler.again(owned, 0)
    assert scheduler.take(0.05) is None
    scheduler.give_back(owned)
    assert scheduler.take(LONG) is owned


def test_domains_take_turns() -> None:
    scheduler = DomainScheduler()
    first, other = serving(scheduler, "one"), serving(scheduler, "other")
    for owned in (first, other):
        scheduler.deliver(owned, delivery())
        scheduler.deliver(owned, delivery())
    turns = []
    for _ in range(4):
        taken = scheduler.take(0)
        assert taken is not None
        queue = first_queue(taken)
        assert queue
        queue.popleft()
        turns.append(taken.name)
        scheduler.give_back(taken)
    assert turns == ["one", "other", "one", "other"]


def test_a_turn_that_asks_to_be_alone_is_followed_by_one_that_is() -> None:
    scheduler = DomainScheduler()
    suspect, other, third = (serving(scheduler, name) for name in ("suspect", "other", "third"))
    for owned in (suspect, other, third):
        scheduler.deliver(owned, delivery())
    assert scheduler.take(0) is suspect
    assert scheduler.take(0) is other
    assert not scheduler.request_exclusive_turn(suspect)
    scheduler.give_back(suspect)
    assert scheduler.take(0) is third, "it was there first"
    assert scheduler.take(0) is None, "the others' turns are not over"
    scheduler.give_back(third)
    assert scheduler.take(0) is None, "nor do they get another: it would never be alone"
    scheduler.give_back(other)
    assert scheduler.take(0) is suspect
    assert scheduler.request_exclusive_turn(suspect)
    assert scheduler.take(0) is None, "it is alone"
    scheduler.give_back(suspect)
    assert scheduler.take(0) is third


class Now:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_others_get_most_of_the_time_whatever_is_suspected() -> None:
    now = Now()
    scheduler = DomainScheduler(now)
    suspect, other = serving(scheduler, "suspect"), serving(scheduler, "other")
    took = {"suspect": 0.0, "other": 0.0}
    for owned in (suspect, other):
        scheduler.deliver(owned, delivery())  # none is taken out: both always have work
    for _ in range(200):
        taken = scheduler.take(0)
        if taken is None:
            now.seconds += 0.01
            continue
        alone = taken is other or scheduler.request_exclusive_turn(suspect)
        began = now.seconds
        now.seconds += 0.1 if alone else 0.001
        took[taken.name] += now.seconds - began
        scheduler.give_back(taken)
    assert took["suspect"] > 0, "it comes to its turns"
    assert took["other"] > 2.5 * took["suspect"]


def test_who_was_given_up_while_it_waited_to_be_alone_makes_nobody_pay_for_it() -> None:
    now = Now()
    scheduler = DomainScheduler(now)
    gone, suspect, other = (serving(scheduler, name) for name in ("gone", "suspect", "other"))
    scheduler.deliver(other, delivery())
    assert scheduler.take(0) is other
    scheduler.request_exclusive_turn(gone)
    scheduler.deliver(gone, delivery())
    assert scheduler.take(0) is None, "it waits to be alone"
    scheduler.disown(gone)
    scheduler.give_back(other)
    now.seconds += 3600.0
    assert scheduler.take(0) is other
    scheduler.request_exclusive_turn(suspect)
    scheduler.deliver(suspect, delivery())
    scheduler.give_back(other)
    for _ in range(2):
        assert scheduler.take(0) is suspect
        scheduler.request_exclusive_turn(suspect)
        now.seconds += 0.01
        scheduler.give_back(suspect)
        assert scheduler.take(0) is other
        scheduler.give_back(other)
        now.seconds += 0.1


def test_who_is_alone_anyway_does_not_wait() -> None:
    now = Now()
    scheduler = DomainScheduler(now)
    suspect = serving(scheduler, "suspect")
    serving(scheduler, "other")
    scheduler.deliver(suspect, delivery())
    for _ in range(5):
        assert scheduler.take(0) is suspect
        scheduler.request_exclusive_turn(suspect)
        now.seconds += 1.0
        scheduler.give_back(suspect)


def test_a_domain_that_is_given_up_during_its_turn_alone_keeps_nobody_waiting() -> None:
    scheduler = DomainScheduler()
    suspect, other = serving(scheduler, "suspect"), serving(scheduler, "other")
    scheduler.deliver(suspect, delivery())
    assert scheduler.take(0) is suspect
    assert not scheduler.request_exclusive_turn(suspect)
    scheduler.give_back(suspect)
    assert scheduler.take(0) is suspect
    scheduler.deliver(other, delivery())
    scheduler.disown(suspect)
    scheduler.give_back(suspect)
    assert scheduler.take(0) is other


def test_a_domain_that_is_given_up_while_it_waits_to_be_alone_keeps_nobody_waiting() -> None:
    scheduler = DomainScheduler()
    suspect, other = serving(scheduler, "suspect"), serving(scheduler, "other")
    scheduler.deliver(suspect, delivery())
    assert scheduler.take(0) is suspect
    assert not scheduler.request_exclusive_turn(suspect)
    scheduler.give_back(suspect)
    scheduler.disown(suspect)
    scheduler.deliver(other, delivery())
    assert scheduler.take(0) is other
    assert scheduler.take(0) is None


def test_a_delivery_from_a_channel_that_is_void_is_refused() -> None:
    scheduler = DomainScheduler()
    owned = serving(scheduler)
    scheduler.deliver(owned, delivery(0))
    scheduler.drop(owned)
    assert (owned.messages_in_memory, owned.generation) == (0, 1)
    assert not scheduler.deliver(owned, delivery(0))
    assert scheduler.deliver(owned, delivery(1))


def test_a_suspended_domain_starts_again_after_a_while() -> None:
    scheduler = DomainScheduler()
    owned = serving(scheduler)
    scheduler.deliver(owned, delivery())
    assert scheduler.take(0) is owned
    scheduler.suspend(owned, 0.1)
    scheduler.give_back(owned)
    assert owned.messages_in_memory == 0
    assert not scheduler.deliver(owned, delivery(owned.generation)), "nothing is consumed while it is suspended"
    assert scheduler.take(0.02) is None
    assert scheduler.take(LONG) is owned
    assert owned.phase is Phase.STARTING
    assert scheduler.serve(owned)
    assert scheduler.deliver(owned, delivery(owned.generation))


def test_a_domain_that_was_given_up_gets_no_turn_and_no_delivery() -> None:
    scheduler = DomainScheduler()
    owned = serving(scheduler)
    scheduler.deliver(owned, delivery())
    scheduler.again(owned, 0)
    scheduler.disown(owned)
    scheduler.disown(owned)
    assert scheduler.domains() == []
    assert scheduler.take(0.02) is None
    assert not scheduler.deliver(owned, delivery(owned.generation))
    assert not scheduler.serve(owned), "a start that ends now must not consume"


def test_giving_up_an_earlier_holding_leaves_the_present_one() -> None:
    scheduler = DomainScheduler()
    earlier, present = domain(), domain()
    scheduler.own(earlier)
    scheduler.own(present)
    scheduler.disown(earlier)
    assert scheduler.domains() == [present]
    assert scheduler.take(0) is present


def test_suspending_what_was_given_up_does_not_revive_it() -> None:
    scheduler = DomainScheduler()
    owned = serving(scheduler)
    scheduler.disown(owned)
    scheduler.suspend(owned, 0)
    assert owned.phase is Phase.GIVING_UP
    assert scheduler.take(0.02) is None


def test_closing_ends_every_wait() -> None:
    scheduler = DomainScheduler()
    answers: list[Domain | None] = []
    threads = [threading.Thread(target=lambda: answers.append(scheduler.take(LONG))) for _ in range(3)]
    for thread in threads:
        thread.start()
    started = time.monotonic()
    scheduler.close()
    for thread in threads:
        thread.join()
    assert answers == [None, None, None]
    assert time.monotonic() - started < LONG / 2
    assert scheduler.closed


class Slots:
    """Threads that take turns until the scheduler closes, and see whether they are ever two in one domain."""

    def __init__(self, scheduler: DomainScheduler, count: int) -> None:
        self._gate = scheduler
        self.seen: dict[str, list[int]] = defaultdict(list)
        self.handled = threading.Semaphore(0)
        self.overlaps: list[str] = []
        self._inside: dict[str, int] = defaultdict(int)
        self._threads = [threading.Thread(target=self._run) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def _run(self) -> None:
        while (taken := self._gate.take(LONG)) is not None:
            self._inside[taken.name] += 1
            if self._inside[taken.name] != 1:
                self.overlaps.append(taken.name)
            self._handle(taken)
            self._inside[taken.name] -= 1
            self._gate.give_back(taken)

    def _handle(self, taken: Domain) -> None:
        queue = first_queue(taken) or deque()
        for _ in range(min(7, len(queue))):
            self.seen[taken.name].append(queue.popleft().tag)
            self.handled.release()

    def end(self) -> None:
        self._gate.close()
        for thread in self._threads:
            thread.join()


def test_under_threads_every_domain_is_serial_and_every_delivery_is_seen_once_in_order() -> None:
    scheduler, per_domain = DomainScheduler(), 2000
    domains = [serving(scheduler, f"d{number}") for number in range(3)]
    slots = Slots(scheduler, 5)
    for tag in range(per_domain):
        for owned in domains:
            assert scheduler.deliver(owned, delivery(0, tag))
            if tag % 100 == 0:
                scheduler.again(owned, 0.001)
    everything = all(slots.handled.acquire(timeout=LONG) for _ in range(len(domains) * per_domain))
    slots.end()
    assert everything
    assert slots.overlaps == []
    assert all(slots.seen[owned.name] == list(range(per_domain)) for owned in domains)


def test_a_domain_has_one_time_for_its_next_turn_however_often_it_is_asked_for() -> None:
    now = [0.0]
    scheduler = DomainScheduler(lambda: now[0])
    owned = serving(scheduler)
    for _ in range(20_000):
        scheduler.again(owned, 30.0)  # for what is deferred
        scheduler.again(owned, 0.5)  # for what the broker has to confirm
        assert len(scheduler._later) == 1  # noqa: SLF001  nothing else shows it
        now[0] += 0.5
        assert scheduler.take(0) is owned
        scheduler.give_back(owned)
    assert scheduler.take(0) is None


def test_a_busy_domain_whose_time_has_come_keeps_no_other_waiting() -> None:
    now = [0.0]
    scheduler = DomainScheduler(lambda: now[0])
    busy, other = serving(scheduler, "a"), serving(scheduler, "b")
    scheduler.again(busy, 0)
    assert scheduler.take(0) is busy
    scheduler.again(busy, 1.0)
    scheduler.again(other, 1.5)
    now[0] = 2.0
    assert scheduler.take(0) is other
    scheduler.give_back(busy)
    assert scheduler.take(0) is busy, "its own time is kept until its turn is over"


def test_a_suspended_domain_that_was_to_have_a_turn_earlier_still_starts_again() -> None:
    now = [0.0]
    scheduler = DomainScheduler(lambda: now[0])
    owned = serving(scheduler)
    scheduler.again(owned, 1.0)
    scheduler.suspend(owned, 5.0)
    now[0] = 1.0
    assert scheduler.take(0) is None
    now[0] = 5.0
    assert scheduler.take(0) is owned
