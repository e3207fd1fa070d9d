"""Histories of the gate under faults: the writer's own code decides, everything around it is simulated.

A failing history is run again with the command that its failure names. More of them: ``make test-simulation``.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys

import pytest

from tests.checkout import ROOT
from tests.simulation.controls import CONTROLS
from tests.simulation.many import simulate_all
from tests.simulation.run import Failure, run
from tests.simulation.writers import Parts
from writegate.publishing.spooling import Spooling

_SEEDS = 500
_SLICE = 100
_WITHIN = 500
# What each protection protects from: the violation that must be found without it.
_FOUND = {
    "ledger off": "applied twice",
    "ack before commit": "lost",
    "confirms off": "lost",
    "stop by cancel": "out of order",
    "fence off": "transactions at once",
    "crash corner off": "not drained",
    "waiting keys forgotten": "out of order",
    "waits for the broker": "and a message",
    "revision off": "not drained",
    "replayed ahead of its key": "out of order",
    "trial off": "not drained",
}
# Where a search begins, when the first seeds find nothing: those are tried last. Only how long it takes depends on it.
_LIKELY = {"crash corner off": 32, "fence off": 35, "spooled lanes forgotten": 96, "waiting keys forgotten": 11}


@pytest.mark.parametrize("first", range(0, _SEEDS, _SLICE))
def test_no_history_violates_a_guarantee(first: int) -> None:
    """Nothing is lost, doubled, out of order, over the budget, or applied by two at once."""
    accepted = 0
    for result in simulate_all(range(first, first + _SLICE), jobs=1):
        assert result.failure is None, result.failure
        accepted += result.accepted
    assert accepted > 20 * _SLICE, "histories in which nothing happens prove nothing"


def test_processes_find_what_one_finds() -> None:
    seeds = range(3, 7)
    assert list(simulate_all(seeds, jobs=2)) == list(simulate_all(seeds, jobs=1))
    found = [result.failure for result in simulate_all(range(40), jobs=2, without="ledger off")]
    assert any(found), "a violation that a process finds must arrive"


def assert_found(protection: str, words: str, parts: Parts | None = None) -> None:
    likely = _LIKELY.get(protection, 0)
    for seed in itertools.chain(range(likely, _WITHIN), range(likely)):
        outcome = run(seed, parts)
        if isinstance(outcome, Failure) and words in str(outcome.error):
            return
    pytest.fail(f"{protection}: nothing was found within {_WITHIN} seeds: the checks see too little")


@pytest.mark.parametrize("protection", sorted(CONTROLS))
def test_without_a_protection_a_violation_is_found(protection: str) -> None:
    assert_found(protection, _FOUND[protection], CONTROLS[protection])


def test_a_lane_that_does_not_stay_behind_its_spool_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Spooling, "__contains__", lambda *_: False)
    assert_found("spooled lanes forgotten", "out of order")


def test_a_history_does_not_depend_on_what_its_process_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    """The origin in a message's headers has the process's number, of one digit or of seven: the buffers count bytes."""
    histories = []
    for origin in ("gen1@a", "gen4194303@a-machine-with-a-long-name"):
        monkeypatch.setattr("writegate.message.envelope._ORIGIN", origin)
        histories.append(list(simulate_all(range(3, 7), jobs=1, trace=True)))
    assert histories[0] == histories[1]


def test_a_seed_gives_the_same_history_again_in_any_process() -> None:
    """Nothing in it depends on the order of a set, on a random number of its own, or on what was run before."""
    command = [sys.executable, "-m", "tests.simulation", "--seed", "4", "--seeds", "2", "--trace"]
    traces = [
        subprocess.run(
            command, env={**os.environ, "PYTHONHASHSEED": seed}, cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2")
    ]
    assert traces[0] == traces[1]
