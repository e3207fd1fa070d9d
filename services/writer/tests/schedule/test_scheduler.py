"""The gate between the threads of a writer: turns, generations, and letting go."""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque

from writegate_writer.decide.holds import holds_of
from writegate_writer.receive.delivery import Delivery
from writegate_writer.schedule.domain import Domain, Phase
from writegate_writer.schedule.scheduler import DomainScheduler

LONG = 10.0  # seconds: only a failing test waits so long


def domain(name: str = "a") -> Domain:
    return Domain(name, 1, (("a", 0),))


def delivery(generation: int = 0, tag: int = 1) -> Delivery:
    return Delivery("a", 0, tag, generation, b"", {}, {})


def serving(gate: DomainScheduler, name: str = "a") -> Domain:
    """Own a domain and take it through its first turn."""
    owned = domain(name)
    gate.own(owned)
    assert gate.take(LONG) is owned
    assert gate.serve(owned)
    gate.give_back(owned)
    return owned


def test_a_domains_first_turn_starts_it_and_only_then_it_takes_deliveries() -> None:
    gate, owned = DomainScheduler(), domain()
    gate.own(owned)
    assert not gate.deliver(owned, delivery())
    assert gate.take(0) is owned
    assert owned.phase is Phase.STARTING
    assert gate.serve(owned)
    assert gate.deliver(owned, delivery())
    gate.give_back(owned)
    assert gate.take(0) is owned


def test_news_give_a_domain_a_turn_and_what_is_known_does_not() -> None:
    gate = DomainScheduler()
    owned = serving(gate)
    none, some = holds_of([]), holds_of([("a.b", "because")])
    for news in ((0, none), (1, none), (1, some)):
        gate.notify(owned, *news)
        assert gate.take(LONG) is owned
        assert gate.take_revision(owned) == news[0]
        gate.give_back(owned)
        gate.notify(owned, *news)
        assert gate.take(0) is None
        assert gate.take_revision(owned) is None


def test_without_work_there_is_no_turn() -> None:
    gate = DomainScheduler()
    serving(gate)
    started = time.monotonic()
    assert gate.take(0.05) is None
    assert time.monotonic() - started >= 0.05


def test_a_domain_is_in_one_turn_only() -> None:
    gate = DomainScheduler()
    owned = serving(gate)
    gate.deliver(owned, delivery())
    assert gate.take(0) is owned
    gate.deliver(owned, delivery())
    gate.again(owned, 0)
    assert gate.take(0.05) is None
    gate.give_back(owned)
    assert gate.take(LONG) is owned


def test_domains_take_turns() -> None:
    gate = DomainScheduler()
    one, other = serving(gate, "one"), serving(gate, "other")
    for owned in (one, other):
        gate.deliver(owned, delivery())
        gate.deliver(owned, delivery())
    turns = []
    for _ in range(4):
        taken = gate.take(0)
        assert taken is not None
        queue = taken.next_queue()
        assert queue
        queue.popleft()
        turns.append(taken.name)
        gate.give_back(taken)
    assert turns == ["one", "other", "one", "other"]


def test_a_turn_that_asks_to_be_alone_is_followed_by_one_that_is() -> None:
    gate = DomainScheduler()
    suspect, other, third = (serving(gate, name) for name in ("suspect", "other", "third"))
    for owned in (suspect, other, third):
        gate.deliver(owned, delivery())
    assert gate.take(0) is suspect
    assert gate.take(0) is other
    assert not gate.request_exclusive_turn(suspect)
    gate.give_back(suspect)
    assert gate.take(0) is third, "it was there first"
    assert gate.take(0) is None, "the others' turns are not over"
    gate.give_back(third)
    assert gate.take(0) is None, "nor do they get another: it would never be alone"
    gate.give_back(other)
    assert gate.take(0) is suspect
    assert gate.request_exclusive_turn(suspect)
    assert gate.take(0) is None, "it is alone"
    gate.give_back(suspect)
    assert gate.take(0) is third


def test_a_domain_that_is_given_up_during_its_turn_alone_keeps_nobody_waiting() -> None:
    gate = DomainScheduler()
    suspect, other = serving(gate, "suspect"), serving(gate, "other")
    gate.deliver(suspect, delivery())
    assert gate.take(0) is suspect
    assert not gate.request_exclusive_turn(suspect)
    gate.give_back(suspect)
    assert gate.take(0) is suspect
    gate.deliver(other, delivery())
    gate.disown(suspect)
    gate.give_back(suspect)
    assert gate.take(0) is other


def test_a_domain_that_is_given_up_while_it_waits_to_be_alone_keeps_nobody_waiting() -> None:
    gate = DomainScheduler()
    suspect, other = serving(gate, "suspect"), serving(gate, "other")
    gate.deliver(suspect, delivery())
    assert gate.take(0) is suspect
    assert not gate.request_exclusive_turn(suspect)
    gate.give_back(suspect)
    gate.disown(suspect)
    gate.deliver(other, delivery())
    assert gate.take(0) is other
    assert gate.take(0) is None


def test_a_delivery_from_a_channel_that_is_void_is_refused() -> None:
    gate = DomainScheduler()
    owned = serving(gate)
    gate.deliver(owned, delivery(0))
    gate.drop(owned)
    assert (owned.waiting, owned.generation) == (0, 1)
    assert not gate.deliver(owned, delivery(0))
    assert gate.deliver(owned, delivery(1))


def test_a_suspended_domain_starts_again_after_a_while() -> None:
    gate = DomainScheduler()
    owned = serving(gate)
    gate.deliver(owned, delivery())
    assert gate.take(0) is owned
    gate.suspend(owned, 0.1)
    gate.give_back(owned)
    assert owned.waiting == 0
    assert not gate.deliver(owned, delivery(owned.generation)), "nothing is consumed while it is suspended"
    assert gate.take(0.02) is None
    assert gate.take(LONG) is owned
    assert owned.phase is Phase.STARTING
    assert gate.serve(owned)
    assert gate.deliver(owned, delivery(owned.generation))


def test_a_domain_that_was_given_up_gets_no_turn_and_no_delivery() -> None:
    gate = DomainScheduler()
    owned = serving(gate)
    gate.deliver(owned, delivery())
    gate.again(owned, 0)
    gate.disown(owned)
    gate.disown(owned)
    assert gate.domains() == []
    assert gate.take(0.02) is None
    assert not gate.deliver(owned, delivery(owned.generation))
    assert not gate.serve(owned), "a start that ends now must not consume"


def test_giving_up_an_earlier_holding_leaves_the_present_one() -> None:
    gate = DomainScheduler()
    earlier, present = domain(), domain()
    gate.own(earlier)
    gate.own(present)
    gate.disown(earlier)
    assert gate.domains() == [present]
    assert gate.take(0) is present


def test_suspending_what_was_given_up_does_not_revive_it() -> None:
    gate = DomainScheduler()
    owned = serving(gate)
    gate.disown(owned)
    gate.suspend(owned, 0)
    assert owned.phase is Phase.LEAVING
    assert gate.take(0.02) is None


def test_closing_ends_every_wait() -> None:
    gate = DomainScheduler()
    answers: list[Domain | None] = []
    threads = [threading.Thread(target=lambda: answers.append(gate.take(LONG))) for _ in range(3)]
    for thread in threads:
        thread.start()
    started = time.monotonic()
    gate.close()
    for thread in threads:
        thread.join()
    assert answers == [None, None, None]
    assert time.monotonic() - started < LONG / 2
    assert gate.closed


class Slots:
    """Threads that take turns until the gate closes, and see whether they are ever two in one domain."""

    def __init__(self, gate: DomainScheduler, count: int) -> None:
        self._gate = gate
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
        queue = taken.next_queue() or deque()
        for _ in range(min(7, len(queue))):
            self.seen[taken.name].append(queue.popleft().tag)
            self.handled.release()

    def end(self) -> None:
        self._gate.close()
        for thread in self._threads:
            thread.join()


def test_under_threads_every_domain_is_serial_and_every_delivery_is_seen_once_in_order() -> None:
    gate, per_domain = DomainScheduler(), 2000
    domains = [serving(gate, f"d{number}") for number in range(3)]
    slots = Slots(gate, 5)
    for tag in range(per_domain):
        for owned in domains:
            assert gate.deliver(owned, delivery(0, tag))
            if tag % 100 == 0:
                gate.again(owned, 0.001)
    everything = all(slots.handled.acquire(timeout=LONG) for _ in range(len(domains) * per_domain))
    slots.end()
    assert everything
    assert slots.overlaps == []
    assert all(slots.seen[owned.name] == list(range(per_domain)) for owned in domains)


def test_a_domain_has_one_time_for_its_next_turn_however_often_it_is_asked_for() -> None:
    now = [0.0]
    gate = DomainScheduler(lambda: now[0])
    owned = serving(gate)
    for _ in range(20_000):
        gate.again(owned, 30.0)  # for what is deferred
        gate.again(owned, 0.5)  # for what the broker has to confirm
        assert len(gate._later) == 1  # noqa: SLF001  nothing else shows it
        now[0] += 0.5
        assert gate.take(0) is owned
        gate.give_back(owned)
    assert gate.take(0) is None


def test_a_busy_domain_whose_time_has_come_keeps_no_other_waiting() -> None:
    now = [0.0]
    gate = DomainScheduler(lambda: now[0])
    busy, other = serving(gate, "a"), serving(gate, "b")
    gate.again(busy, 0)
    assert gate.take(0) is busy
    gate.again(busy, 1.0)
    gate.again(other, 1.5)
    now[0] = 2.0
    assert gate.take(0) is other
    gate.give_back(busy)
    assert gate.take(0) is busy, "its own time is kept until its turn is over"


def test_a_suspended_domain_that_was_to_have_a_turn_earlier_still_starts_again() -> None:
    now = [0.0]
    gate = DomainScheduler(lambda: now[0])
    owned = serving(gate)
    gate.again(owned, 1.0)
    gate.suspend(owned, 5.0)
    now[0] = 1.0
    assert gate.take(0) is None
    now[0] = 5.0
    assert gate.take(0) is owned
