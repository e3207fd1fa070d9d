"""The attacks in small: each is tried against a live gate, and a neighbour is timed for a few seconds."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.attacks.attack import Attack
from tests.attacks.neighbour import Call, Timing, percentile
from tests.attacks.run import BOUND, TOO_SLOW, Bound, try_all, try_attack
from tests.attacks.table import ATTACKS
from tests.attacks.target import Target, target_running
from tests.deadlines import patient
from tests.servers import Servers

SECONDS = 2.0
# Other tests run at the same time, on the same machine, and hold up some of the calls. The harm that was found was half
# of the calls taking seconds.
IN_COMPANY = Bound(times_idle=10.0, harmless_seconds=patient(3.0), share=0.5)


@pytest.fixture(scope="module")
def target(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    with target_running(servers, tmp_path_factory.mktemp("attacks")) as running:
        yield running


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_the_gate_is_whole_and_a_neighbour_is_not_slower(target: Target, attack: Attack) -> None:
    [tried] = try_all(target, [attack], SECONDS, IN_COMPANY)
    assert not tried.missed, tried


class Slowed:
    """A neighbour whose calls take long once an attack runs."""

    def __init__(self) -> None:
        self.seconds = 0.0

    @contextmanager
    def neighbour(self, _: Target) -> Iterator[Call]:
        yield lambda: time.sleep(self.seconds)  # what a call takes

    def attack(self, _: Target) -> str:
        self.seconds = 0.5
        return "slowed"


@pytest.mark.slow
def test_a_slower_neighbour_is_seen(target: Target) -> None:
    slowed = Slowed()
    tried = try_attack(target, Attack("slow", slowed.attack, slowed.neighbour), SECONDS)
    assert tried.missed == TOO_SLOW
    assert tried.times_idle > BOUND.times_idle


@pytest.mark.slow
def test_an_attack_that_breaks_something_is_seen(target: Target) -> None:
    def fails(_: Target) -> str:
        raise AssertionError("a writer ended")

    slowed = Slowed()
    assert try_attack(target, Attack("fails", fails, slowed.neighbour), 0.1).missed == "a writer ended"


def test_a_late_call_counts_from_when_it_was_due() -> None:
    with Timing(lambda: time.sleep(0.2)) as timing:
        time.sleep(0.5)  # what is timed goes on meanwhile
    assert timing.seconds[1] > 0.3


def test_percentiles() -> None:
    assert percentile([3.0, 1.0, 2.0], 0.99) == 3.0
    assert percentile([float(number) for number in range(100)], 0.5) == 50.0
