"""The most revealing faults, on a real cluster: nothing is lost, doubled or inverted."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.cluster import cluster_running
from tests.faults.kinds import KINDS
from tests.faults.rig import rig_running
from tests.faults.run import by_turn, inject

WORST = (
    "kill a writer",
    "freeze a writer past its lease",
    "lose the answer to a COMMIT",
    "kill a broker node",
    "crash the database",
)


@pytest.mark.slow
def test_the_worst_faults_violate_nothing(tmp_path: Path) -> None:
    with cluster_running() as servers, rig_running(servers, tmp_path, seed=1) as rig:
        inject(rig, WORST)
        verdict = rig.finish()
        assert verdict.violations == ()
        assert verdict.applied > 100, "faults without work prove nothing"
        assert 0 < rig.watch.peak_connections <= rig.gate.connections


def test_every_kind_comes_by_turn() -> None:
    kinds = list(by_turn(seed=1, count=2 * len(KINDS)))
    assert sorted(kinds) == sorted([*KINDS, *KINDS])
    assert sorted(kinds[: len(KINDS)]) == sorted(KINDS)
    assert kinds == list(by_turn(seed=1, count=2 * len(KINDS)))
    assert kinds != list(by_turn(seed=2, count=2 * len(KINDS)))
