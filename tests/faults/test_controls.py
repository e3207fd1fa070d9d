"""Negative controls: with one protection taken out, the checker finds what a fault does then.

With all protections the same faults do no harm. CONTROLS=all in the environment tries every control, otherwise only
those that take least time.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.faults.kinds import REVEALING
from tests.faults.rig import CONTROLS, rig_running
from tests.faults.run import inject
from tests.servers import Servers

TIMES = 2
FOUND = {
    "ledger": "applied more than once",
    "acks": "accepted and lost",
    "confirms": "accepted and lost",
    "basic-cancel": "applied in another order than published",
    "fence": "transactions of one domain at once",
}
TRIED = sorted(CONTROLS) if os.environ.get("CONTROLS") == "all" else ["confirms", "ledger"]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("protection", TRIED)
def test_without_a_protection_a_violation_is_found(servers: Servers, tmp_path: Path, protection: str) -> None:
    with rig_running(servers, tmp_path, seed=1, without=protection, writers=2, publishers=2) as rig:
        inject(rig, [REVEALING[protection]] * TIMES)
        violations = rig.finish().violations
    assert any(line.startswith(FOUND[protection]) for line in violations), violations


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_with_all_protections_the_same_faults_violate_nothing(servers: Servers, tmp_path: Path) -> None:
    with rig_running(servers, tmp_path, seed=1, writers=2, publishers=2) as rig:
        inject(rig, [REVEALING[protection] for protection in TRIED] * TIMES)
        assert rig.finish().violations == ()
