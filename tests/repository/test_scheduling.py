"""How a run is spread over processes: files that want the bare servers stay together, others are by themselves."""

from __future__ import annotations

from pathlib import Path

from tests.scheduling import CHECKOUT, ON_BARE_SERVERS, rank, scope


def test_files_on_the_bare_servers_share_a_process_with_their_group() -> None:
    assert scope("tests/integration/test_apply.py::test_a") == scope("tests/integration/test_rights.py::test_b[1]")
    assert scope("tests/integration/test_apply.py::test_a") != scope("tests/integration/test_membership.py::test_c")
    assert scope("tests/integration/test_parked.py::test_d") == "tests/integration/test_parked.py"


def test_they_begin_early_and_unit_tests_come_last() -> None:
    groups = [rank(CHECKOUT / file) for file in ON_BARE_SERVERS]
    assert all((CHECKOUT / file).exists() for file in ON_BARE_SERVERS)
    assert max(groups) < rank(CHECKOUT / "tests/integration/test_parked.py")
    assert rank(CHECKOUT / "tests/e2e/test_stack.py") < min(groups)
    assert rank(Path(__file__)) < rank(CHECKOUT / "services/writer/tests/decide/test_trial.py")
