"""Two branches that each add a service: they merge, and all that looks for services finds both."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from tests.checkout import copied
from tests.compose import parse
from tests.e2e.new_service import install, planned, run, service_new, writegate
from tests.integration.gate import SERVICES, gate_running
from tests.integration.gate_broker import PASSWORD
from tests.servers import Servers

# Of two teams: neighbours in every list that is sorted.
NAMES = ("entrance", "entry_2")


def git(where: Path, *words: str) -> str:
    author = ("-c", "user.name=a", "-c", "user.email=a@b.example")
    done = run(where, "git", *author, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def merged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with both branches, each of which was made in a clone of its own."""
    made = copied(tmp_path_factory.mktemp("checkout"))
    git(made, "init", "--quiet", "--initial-branch", "main")
    git(made, "add", ".")
    git(made, "commit", "--quiet", "-m", "before")
    for name in NAMES:
        clone = tmp_path_factory.mktemp(name) / "clone"
        git(made, "clone", "--quiet", str(made), str(clone))
        git(clone, "switch", "--quiet", "--create", name)
        service_new(clone, name, "--lanes", "2")
        git(clone, "add", ".")
        git(clone, "commit", "--quiet", "-m", f"add {name}")
        git(clone, "push", "--quiet", "origin", name)
    for name in NAMES:
        git(made, "merge", "--quiet", "--no-ff", "-m", f"merge {name}", name)
    assert git(made, "status", "--porcelain") == ""
    return made


def test_no_file_but_theirs_is_changed(merged: Path) -> None:
    changed = git(merged, "diff", "--name-only", "main~2", "main").split()
    assert {Path(name).parts[:2] for name in changed} == {("services", name) for name in NAMES}


def test_the_checkout_finds_both(merged: Path) -> None:
    assert {*NAMES} <= set(run(merged, "sh", "deploy/docker/services").stdout.split())
    assert {*NAMES} <= set(runpy.run_path(str(merged / "deploy/lint_imports.py"))["packages"](merged))
    files = ["docker-compose.yml", *(f"services/{name}/compose.yml" for name in NAMES)]
    both = parse(*(merged / name for name in files))
    assert both.returncode == 0, both.stderr
    assert {"entrance:", "entry_2:", "spool-entry_2: {}"} <= {line.strip() for line in both.stdout.splitlines()}


@pytest.mark.slow
def test_plan_shows_what_both_add_and_apply_makes_it(
    servers: Servers, merged: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    site = tmp_path_factory.mktemp("site")
    for name in NAMES:
        install(merged / "services" / name, site, tmp_path_factory.mktemp("wheels"))
    passwords = {f"WRITEGATE_PASSWORD_{name.upper()}": PASSWORD for name in NAMES}
    with gate_running(servers, "gate_two_new") as gate:
        both = {"PYTHONPATH": f"{SERVICES}:{site}", **passwords}
        made = {(change["action"], change["kind"], change["name"]) for change in planned(gate, **both)}
        for name in NAMES:
            assert {
                ("create", "migration", f"{name}/001_{name}.sql"),
                ("create", "exchange", f"writes.{name}"),
                ("create", "queue", f"writes.{name}.1"),
            } <= made
        done = writegate(gate, "apply", "--yes", **both)
        assert done.returncode == 0, done.stderr
        assert planned(gate, **both) == []
