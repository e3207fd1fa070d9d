"""Sharing domains: writers that each decide for themselves come to an even share, and stay there."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from writegate_writer.schedule.shares import Ownership, ShareChange, share_change


class Table:
    """The rows of ``writegate.domain``; a claim takes only what is free, as the compare-and-set does."""

    def __init__(self, domains: int) -> None:
        self.owners: dict[str, str | None] = {f"d{number:02}": None for number in range(domains)}

    def ownerships(self) -> list[Ownership]:
        return [Ownership(name, owner, 1, owner is None) for name, owner in self.owners.items()]

    def carry_out(self, me: str, decision: ShareChange) -> bool:
        """Return whether anything moved."""
        moved = False
        for name in decision.claim:
            if self.owners[name] is None:
                self.owners[name], moved = me, True
        for name in decision.release:
            if self.owners[name] == me:
                self.owners[name], moved = None, True
        return moved

    def settle(self, writers: list[str], data: st.DataObject | None = None) -> int:
        """Let writers take steps, in any order, on fresh or stale rows, until all rest; return the rounds."""
        for number in range(4 * len(self.owners) + 4):
            order = data.draw(st.permutations(writers)) if data else writers
            stale = self.ownerships() if data and data.draw(st.booleans()) else None
            moved = [self.carry_out(me, share_change(me, len(writers), stale or self.ownerships())) for me in order]
            if not any(moved):
                return number
        raise AssertionError(f"still moving: {self.owners}")

    def shares(self, writers: list[str]) -> list[int]:
        counted = Counter(self.owners.values())
        return [counted[writer] for writer in writers]


def assert_even(table: Table, writers: list[str]) -> None:
    shares = table.shares(writers)
    assert sum(shares) == len(table.owners), "every domain is served"
    assert max(shares) - min(shares) <= 1, f"not even: {shares}"


names = st.integers(1, 6).map(lambda count: [f"w{number}" for number in range(count)])


@given(st.integers(0, 24), names, st.data())
def test_writers_come_to_an_even_share_and_stay(domains: int, writers: list[str], data: st.DataObject) -> None:
    table = Table(domains)
    for name in table.owners:
        table.owners[name] = data.draw(st.none() | st.sampled_from(writers))
    table.settle(writers, data)
    assert_even(table, writers)
    before = dict(table.owners)
    table.settle(writers, data)
    assert table.owners == before, "an even share is left alone"


@given(st.integers(0, 24), names, st.data())
def test_a_dead_writers_domains_are_taken(domains: int, writers: list[str], data: st.DataObject) -> None:
    table = Table(domains)
    table.settle(writers)
    dead = data.draw(st.sampled_from(writers))
    left = [writer for writer in writers if writer != dead] or ["w-next"]
    table.owners = {name: None if owner == dead else owner for name, owner in table.owners.items()}
    table.settle(left, data)
    assert_even(table, left)


@given(st.integers(0, 24), names)
def test_a_new_writer_gets_its_share_and_nothing_else_moves(domains: int, writers: list[str]) -> None:
    table = Table(domains)
    table.settle(writers)
    before = dict(table.owners)
    more = [*writers, "w-new"]
    table.settle(more)
    assert_even(table, more)
    moved = [name for name, owner in table.owners.items() if owner != before[name]]
    assert all(table.owners[name] == "w-new" for name in moved)


def test_an_expired_lease_is_free_whoever_had_it() -> None:
    ownerships = [Ownership("a", "dead", 3, True), Ownership("b", "me", 1, True)]
    assert share_change("me", 1, ownerships) == ShareChange(("a", "b"), ())


def test_a_writer_that_is_not_counted_yet_takes_no_more_than_a_share() -> None:
    assert share_change("me", 0, [Ownership("a", None, 0, True)]) == ShareChange(("a",), ())
    assert share_change("me", 2, []) == ShareChange((), ())
