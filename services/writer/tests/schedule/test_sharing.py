"""Giving domains back: when their last turn is over, and without keeping anything else waiting."""

# ruff: noqa: ARG002  the signatures are given by what stands in
from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from writegate.config import Settings
from writegate_writer.decide.holds import Holds, holds_of
from writegate_writer.errors import DatabaseFault
from writegate_writer.schedule.domain import Domain, Phase
from writegate_writer.schedule.scheduler import DomainScheduler
from writegate_writer.schedule.shares import Ownership
from writegate_writer.schedule.sharing import Claimed, Sharing

ME, OTHER = "me", "other"
LONG_SECONDS = 10.0  # only a failing test waits so long


class Table:
    """:class:`~writegate_writer.schedule.sharing.Leases` over a dictionary; nobody's lease runs out by itself."""

    def __init__(self, *domains: str) -> None:
        self.owners: dict[str, tuple[str | None, int]] = dict.fromkeys(domains, (None, 0))
        self.count = 1
        self.numbers: dict[str, int] = {}
        self.renewed: list[str] = []
        self.broken = False
        self.held: list[str] = []

    def renew(self, writer: str, domains: Sequence[str], seconds: float) -> None:
        self.renewed = sorted(domains)

    def ownerships(self) -> list[Ownership]:
        return [Ownership(name, owner, epoch, owner is None) for name, (owner, epoch) in self.owners.items()]

    def holds(self) -> Holds:
        return holds_of((target, "a test") for target in self.held)

    def writers(self, seconds: float) -> int:
        return self.count

    def claim(self, writer: str, domains: Sequence[str], seconds: float) -> list[Claimed]:
        for name in domains:
            self.owners[name] = (writer, self.owners[name][1] + 1)
        return [
            Claimed(name, self.owners[name][1], ((name, 0),), {name: self.numbers.get(name, 1)}) for name in domains
        ]

    def release(self, writer: str, domains: Sequence[str]) -> None:
        if self.broken:
            raise DatabaseFault(None, "connection lost")
        for name in domains:
            assert self.owners[name][0] == writer
            self.owners[name] = (None, self.owners[name][1])

    def of(self, writer: str | None) -> list[str]:
        return sorted(name for name, (owner, _) in self.owners.items() if owner == writer)


class Channels:
    """:class:`~writegate_writer.schedule.ports.Consuming`: the domains that were refreshed."""

    def __init__(self) -> None:
        self.refreshed: list[str] = []

    def refresh(self, domain: Domain) -> None:
        self.refreshed.append(domain.name)

    def settle(self, *_: object) -> None:
        """Nothing is delivered here."""

    report = settle


_TOGETHER = {(name, 0): ((name, 0),) for name in "abcd"}


class Writer:
    """A writer that holds all four domains and is in the middle of a turn at ``d``."""

    def __init__(self) -> None:
        self.table, self.scheduler, self.channels = Table("a", "b", "c", "d"), DomainScheduler(), Channels()
        self.sharing = Sharing(Settings.load({}), ME, _TOGETHER, self.scheduler, self.channels)
        self.tick()
        turns = {domain.name: domain for domain in iter(lambda: self.scheduler.take(0), None)}
        self.busy = turns.pop("d")
        for domain in turns.values():
            self.scheduler.give_back(domain)

    def tick(self) -> None:
        self.sharing.tick(self.table, may_claim=True)

    def held(self) -> list[str]:
        return sorted(domain.name for domain in self.scheduler.domains())


@pytest.fixture
def writer() -> Writer:
    return Writer()


def test_a_domain_in_its_turn_is_given_up_after_it_and_the_others_are_renewed_meanwhile(writer: Writer) -> None:
    writer.table.count = 2
    for _ in range(3):
        writer.tick()
        assert writer.table.of(None) == ["c"], "the idle domain is released at once"
        assert writer.table.of(ME) == ["a", "b", "d"]
        assert writer.table.renewed == (["a", "b", "d"] if _ else ["a", "b", "c", "d"])
        assert writer.held() == ["a", "b"]
        assert writer.channels.refreshed == ["c"], "its channel is needed for the acknowledgements of its last turn"
    writer.scheduler.give_back(writer.busy)
    writer.tick()
    assert writer.table.of(None) == ["c", "d"]
    assert writer.channels.refreshed == ["c", "d"]
    writer.table.owners["c"] = writer.table.owners["d"] = (OTHER, 2)
    writer.tick()
    assert writer.held() == ["a", "b"]


def test_a_domain_whose_service_has_another_number_of_lanes_is_left_alone_until_that_changes() -> None:
    table, scheduler = Table("a", "b"), DomainScheduler()
    table.numbers["a"] = 2
    sharing = Sharing(Settings.load({}), ME, _TOGETHER, scheduler, Channels())
    for _ in range(3):
        sharing.tick(table, may_claim=True)
        assert (table.of(ME), table.of(None)) == (["b"], ["a"])
        assert table.owners["a"] == (None, 1), "it is not claimed again and again"
    del table.numbers["a"]
    for _ in range(30):
        sharing.tick(table, may_claim=True)
    assert table.of(ME) == ["a", "b"]


def test_lanes_are_not_consumed_while_too_much_is_deferred_in_their_domain(writer: Writer) -> None:
    domain = next(held for held in writer.scheduler.domains() if held.name == "a")
    for deferred_full, stopped in ((True, frozenset({("a", 0)})), (False, frozenset())):
        domain.deferred_full = deferred_full
        writer.channels.refreshed.clear()
        writer.tick()
        assert (domain.stopped, writer.channels.refreshed) == (stopped, ["a"]), "the others go on"
        writer.tick()
        assert writer.channels.refreshed == ["a"], "it is refreshed once"


def test_a_held_lane_is_not_consumed_by_a_writer_that_takes_its_domain_over() -> None:
    table, scheduler = Table("a", "b"), DomainScheduler()
    table.held = ["a.0"]
    Sharing(Settings.load({}), ME, _TOGETHER, scheduler, Channels()).tick(table, may_claim=True)
    assert {domain.name: domain.stopped for domain in scheduler.domains()} == {"a": {("a", 0)}, "b": frozenset()}


def test_a_domain_that_was_given_up_can_be_claimed_again(writer: Writer) -> None:
    writer.table.count = 2
    writer.tick()
    writer.scheduler.give_back(writer.busy)
    writer.table.count = 1
    writer.tick()
    writer.tick()
    assert writer.held() == ["a", "b", "c", "d"]
    assert all(domain.phase is Phase.STARTING for domain in writer.scheduler.domains() if domain.name in {"c", "d"})


def test_a_domain_that_was_lost_before_it_could_be_given_up_is_the_next_owners(writer: Writer) -> None:
    writer.table.count = 2
    writer.tick()
    writer.table.owners["d"] = (OTHER, 9)
    writer.tick()
    assert writer.channels.refreshed == ["c", "d"]
    writer.scheduler.give_back(writer.busy)
    writer.tick()
    assert writer.table.owners["d"] == (OTHER, 9)


def test_when_it_stops_it_gives_up_all_but_what_is_still_worked_on(writer: Writer) -> None:
    writer.sharing.release_all(writer.table)
    assert writer.table.of(None) == ["a", "b", "c"]
    assert writer.held() == []


def test_a_lease_that_could_not_be_given_up_is_not_renewed(writer: Writer) -> None:
    writer.table.count, writer.table.broken = 2, True
    with pytest.raises(DatabaseFault):
        writer.tick()
    writer.table.broken = False
    writer.tick()
    assert writer.table.renewed == ["a", "b", "d"]
    assert writer.channels.refreshed == ["c"]


class LosingDomain(Domain):
    """A domain that the watchdog gives up at the moment at which the control thread asks whether it is busy."""

    sharing: Sharing | None = None

    @property
    def busy(self) -> bool:
        if self.sharing is not None:
            sharing, self.sharing = self.sharing, None
            watchdog = threading.Thread(target=sharing.let_go)
            watchdog.start()
            watchdog.join(LONG_SECONDS)
            assert not watchdog.is_alive(), "the watchdog is not kept waiting"
        return False

    @busy.setter
    def busy(self, _: bool) -> None:
        """It is never in a turn here."""


def test_the_watchdog_may_give_everything_up_while_the_control_thread_looks_at_what_leaves(writer: Writer) -> None:
    writer.table.count, writer.table.broken = 2, False
    writer.tick()  # "d", in the middle of its turn, is leaving
    losing = LosingDomain("b", 1, (("b", 0),))
    writer.scheduler.own(losing)
    losing.sharing = writer.sharing
    writer.sharing.release_all(writer.table)
    assert writer.held() == []
    assert writer.channels.refreshed.count("b") == 1
    assert writer.table.of(None) == ["a", "c"], "the lease of what was lost runs out by itself"
