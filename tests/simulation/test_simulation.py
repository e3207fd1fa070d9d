"""Histories of the gate under faults: the writer's own code decides, everything around it is simulated.

SEEDS in the environment says how many histories are run; a failing one is run again with the command it names.
"""

from __future__ import annotations

import os

import pytest

from tests.simulation.controls import CONTROLS
from tests.simulation.run import Failure, run
from writegate.publishing.spooling import Spooling

_SEEDS = int(os.environ.get("SEEDS", "500"))
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
}


@pytest.mark.timeout(60 + _SEEDS)
def test_no_history_violates_a_guarantee() -> None:
    """Nothing is lost, doubled, out of order, over the budget, or applied by two at once."""
    accepted = 0
    for seed in range(_SEEDS):
        outcome = run(seed)
        assert not isinstance(outcome, Failure), str(outcome)
        accepted += outcome.accepted
    assert accepted > 20 * _SEEDS, "histories in which nothing happens prove nothing"


@pytest.mark.parametrize("protection", sorted(CONTROLS))
def test_without_a_protection_a_violation_is_found(protection: str) -> None:
    for seed in range(_WITHIN):
        outcome = run(seed, CONTROLS[protection])
        if isinstance(outcome, Failure) and _FOUND[protection] in str(outcome.error):
            return
    pytest.fail(f"{protection}: nothing was found within {_WITHIN} seeds: the checks see too little")


def test_a_lane_that_does_not_stay_behind_its_spool_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Spooling, "__contains__", lambda *_: False)
    for seed in range(_WITHIN):
        outcome = run(seed)
        if isinstance(outcome, Failure) and "out of order" in str(outcome.error):
            return
    pytest.fail(f"nothing was found within {_WITHIN} seeds: the checks see too little")


def test_a_seed_gives_the_same_history_again() -> None:
    first, second = run(7), run(7)
    assert first.history.lines() == second.history.lines()
