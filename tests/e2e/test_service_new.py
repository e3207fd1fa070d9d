"""`writegate service new`, and all that follows until a command of the new service is in its table."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.checkout import ROOT, copied
from tests.e2e.new_service import install, planned, run, service_new, writegate
from tests.integration.gate import SERVICES, gate_running
from tests.integration.gate_broker import PASSWORD
from tests.servers import SHARED, Servers

# What a new service of two lanes adds, and no more.
ADDITIONS = {
    ("create", "role", "writegate_service_newcomer"),
    ("create", "migration", "newcomer/001_newcomer.sql"),
    ("create", "exchange", "writes.newcomer"),
    ("create", "queue", "writes.newcomer.0"),
    ("create", "queue", "writes.newcomer.1"),
    ("create", "queue", "writes.newcomer.dead"),
}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with the new service."""
    made = copied(tmp_path_factory.mktemp("checkout"))
    service_new(made, "newcomer", "--lanes", "2", "--key", "customer_id")
    return made


@pytest.fixture(scope="module")
def site(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The service, installed in a directory for `PYTHONPATH`: this environment stays as it is."""
    made = tmp_path_factory.mktemp("site")
    install(checkout / "services/newcomer", made, tmp_path_factory.mktemp("wheels"))
    return made


def test_its_types_are_checked(checkout: Path) -> None:
    folder = checkout / "services/newcomer"
    environment = {"MYPYPATH": f"{folder / 'src'}:{ROOT}"}
    done = run(ROOT, sys.executable, "-m", "mypy", str(folder / "src"), str(folder / "tests"), **environment)
    assert done.returncode == 0, done.stdout


def test_the_imports_keep_the_contracts(checkout: Path, site: Path) -> None:
    line = (sys.executable, "deploy/lint_imports.py", "--no-cache")
    done = run(checkout, *line, PYTHONPATH=str(site))
    assert done.returncode == 0, done.stdout
    stray = site / "newcomer/stray.py"
    stray.write_text("from flights.app import app\n")
    broken = run(checkout, *line, PYTHONPATH=str(site))
    stray.unlink()
    assert broken.returncode == 1, "the control: a new service is looked at too"
    assert "newcomer.stray" in broken.stdout


@pytest.mark.slow
def test_its_own_tests_pass(servers: Servers, checkout: Path, site: Path) -> None:
    line = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "services/newcomer")
    done = run(checkout, *line, PYTHONPATH=str(site), **{SHARED: str(servers.stack.home.state)})
    assert done.returncode == 0, done.stdout
    assert "5 passed" in done.stdout


@pytest.mark.slow
def test_plan_shows_what_it_adds_apply_makes_it_and_a_command_flows(servers: Servers, site: Path) -> None:
    with gate_running(servers, "gate_service_new") as gate:
        assert planned(gate) == []
        with_it = {"PYTHONPATH": f"{SERVICES}:{site}", "WRITEGATE_PASSWORD_NEWCOMER": PASSWORD}
        changes = planned(gate, **with_it)
        assert {(change["action"], change["kind"], change["name"]) for change in changes} >= ADDITIONS
        assert all("newcomer" in json.dumps(change) and change["action"] == "create" for change in changes), changes
        assert writegate(gate, "apply", "--yes", **with_it).returncode == 0
        assert planned(gate, **with_it) == []
        gate.writers.start(PYTHONPATH=with_it["PYTHONPATH"])
        own = {**with_it, "WRITEGATE_BROKER_URL": servers.broker_url("newcomer", gate.name, PASSWORD)}
        fields = json.dumps({"customer_id": "a", "amount": 5})
        done = writegate(gate, "publish", "newcomer.record", fields, "--wait", "60", "--json", **own)
        assert (done.returncode, json.loads(done.stdout)["outcome"]) == (0, "applied"), done.stderr
        assert gate.database.sql("SELECT customer_id, amount FROM newcomer.entry") == [("a", 5)]
