"""Dividing a batch into runs."""

from __future__ import annotations

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from tests.sample import Deposit, Note, Withdraw, arrived
from writegate_writer.decide.runs import runs_of
from writegate_writer.receive.delivery import Arrived


def command(letter: str, key: str) -> Arrived:
    """Return a command of one of three types; those of type ``n`` have no key."""
    if letter == "n":
        return arrived(Note(text=key))
    return arrived(Deposit(account=key, amount=1) if letter == "d" else Withdraw(account=key, amount=1))


def batch(text: str) -> list[Arrived]:
    return [command(word[0], word[1:]) for word in text.split()]


def shown(runs: list[list[Arrived]]) -> list[str]:
    return [" ".join(f"{part.item.task[9]}{part.item.key or ''}" for part in run) for run in runs]


def by_change_of_type(parts: list[Arrived]) -> int:
    """The trivial division: a new run whenever the type changes. Returns the number of runs."""
    return sum(
        before is None or before.item.task != after.item.task
        for before, after in zip([None, *parts], parts, strict=False)
    )


batches = st.lists(st.builds(command, st.sampled_from("dwn"), st.sampled_from("abc")), max_size=25)


@given(batches)
def test_every_command_once_in_runs_of_one_type_with_each_keys_order_kept(parts: list[Arrived]) -> None:
    runs = runs_of(parts)
    flat = [part for run in runs for part in run]
    assert sorted(map(id, flat)) == sorted(map(id, parts))
    assert all(len({part.item.task for part in run}) == 1 for run in runs)
    before, after = defaultdict(list), defaultdict(list)
    for part in parts:
        before[part.item.key].append(part)
    for part in flat:
        after[part.item.key].append(part)
    assert all(before[key] == after[key] for key in before if key is not None)
    assert len(runs) <= by_change_of_type(parts)


@given(batches)
def test_a_run_sees_arrival_order(parts: list[Arrived]) -> None:
    place = {id(part): number for number, part in enumerate(parts)}
    for run in runs_of(parts):
        assert [place[id(part)] for part in run] == sorted(place[id(part)] for part in run)


def test_keys_that_alternate_between_types_need_few_runs() -> None:
    assert shown(runs_of(batch("da wa db wb dc wc"))) == ["da db dc", "wa wb wc"]
    assert shown(runs_of(batch("da wb db wa"))) == ["da", "wb wa", "db"]
    assert shown(runs_of(batch("da wa da wa"))) == ["da", "wa", "da", "wa"]


def test_without_a_key_a_command_joins_the_first_run_of_its_type() -> None:
    assert shown(runs_of(batch("nx da wa nx da ny"))) == ["n n n", "da", "wa", "da"]


def test_nothing_makes_no_runs() -> None:
    assert runs_of([]) == []
