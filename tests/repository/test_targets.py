"""Every target of the Makefile is tried: run in a small size, or run in small by another test of its program.

Whoever adds a target adds a line to ``SMOKE``. A target that no test can run says why.
"""

from __future__ import annotations

import ast
import functools
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.checkout import ROOT, tracked
from tests.deadlines import patient
from tests.servers import SHARED

SECONDS = patient(600)  # for one target on a busy machine; each takes between one and forty on a quiet one
SLOW = ("bench", "bench-ledger", "demo")


@dataclass(frozen=True)
class Runs:
    """The target itself is run, with these variables. ``{build}``: a directory that goes away.

    ``shares``: it uses the servers of this run; what starts servers of its own is tried with the other targets.
    """

    variables: str = ""
    shares: bool = False


@dataclass(frozen=True)
class Covered:
    """This test of ``make test`` runs the target's program in small; here only the command line is tried."""

    by: str


@dataclass(frozen=True)
class NotRun:
    """No test can run it; its recipe is only expanded."""

    because: str


SMOKE: dict[str, Runs | Covered | NotRun] = {
    "help": Runs(),
    "setup": Runs(),
    "demo": Runs("FLIGHTS=300 SECONDS=1 BUILD={build}"),
    "test": NotRun("this is a test of it"),
    "test-simulation": Runs("SEEDS=20 CONTROLS=none"),
    "test-writers": Covered("tests/integration/test_writer_hangs.py::test_a_handler_that_hangs_once_ends_its_process"),
    "test-values": Covered("tests/values/test_values.py::test_what_is_stored_is_what_psycopg2_alone_stores"),
    "test-twin": Covered("tests/twin/test_twin.py::test_both_leave_the_same"),
    "test-faults": Covered("tests/faults/test_faults.py::test_the_worst_faults_violate_nothing"),
    "test-bank": Covered("tests/faults/test_bank.py::test_no_money_is_lost"),
    "test-fuzz": Covered("tests/faults/test_fuzz.py::test_a_live_writer_takes_anything"),
    "test-attacks": Covered("tests/attacks/test_attacks.py::test_the_gate_is_whole_and_a_neighbour_is_not_slower"),
    "test-sqlstates": Covered("tests/sqlstates/test_sqlstates.py::test_one_refused_command_harms_only_itself"),
    "test-memory": Covered("tests/faults/test_memory.py::test_a_writer_whose_connections_are_cut_applies_everything"),
    "test-outage": Covered("tests/faults/test_outage.py::test_an_outage_longer_than_the_broker_waits"),
    "test-publishers": Covered("tests/integration/test_broker_outage.py::test_no_call_fails_or_is_late"),
    "proof": Runs("LIST=1"),
    "bench": Runs("SMOKE=1"),
    "bench-publish": Runs("SMOKE=1", shares=True),
    "bench-ledger": Runs("ROWS=4000", shares=True),
    "up": Covered("tests/e2e/test_stack.py::test_everything_comes_up_ready_and_a_dead_writer_comes_back"),
    "down": Covered("tests/e2e/test_stack.py::test_servers_come_up_stay_up_and_go_down_without_a_trace"),
    "lint": Covered("tests/repository/test_code.py::test_the_code_is_clean"),
    "types": Covered("tests/repository/test_code.py::test_the_code_is_clean"),
    "docs": Covered("tests/repository/test_generated.py::test_a_part_is_what_would_be_written_now"),
    "lock": NotRun("it asks a package index and rewrites uv.lock"),
}

_PROGRAM = re.compile(r"python -m (?P<module>tests\.[\w.]+)(?P<arguments>.*)")
_TESTS = re.compile(r"python -m pytest (?P<arguments>.*)")


@functools.cache
def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def documented() -> Iterator[tuple[str, str]]:
    """Yield each page and target of which a document says that people can type it."""
    for page in tracked("*.md"):
        for target in re.findall(r"(?:`|^\$ |&& )make ([a-z][a-z-]*)", page.read_text(), re.MULTILINE):
            yield str(page.relative_to(ROOT)), target


def make(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run make as a person would: without the variables of the make that runs these tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "QUICK"))}
    return subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=ROOT, env=kept | variables, capture_output=True, text=True, check=False, timeout=SECONDS,
    )  # fmt: skip


def test_every_target_has_a_smoke_run() -> None:
    assert set(SMOKE) == targets(), "a target of the Makefile is added to SMOKE, or taken out of it"


def test_every_target_that_a_document_names_has_a_smoke_run() -> None:
    missing = [f"{page}: make {target}" for page, target in documented() if target not in SMOKE]
    assert not missing


def test_help_explains_every_target() -> None:
    explained = re.findall(r"^  make ([a-z-]+) +\S", make("help").stdout, re.MULTILINE)
    assert set(explained) == targets()


@pytest.fixture
def build() -> Iterator[str]:
    """A directory for results: with a short name, since servers have sockets in it."""
    directory = tempfile.mkdtemp(prefix="wg-")
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.mark.timeout(SECONDS)
@pytest.mark.parametrize(
    "target",
    [
        pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else [])
        for name, smoke in SMOKE.items()
        if isinstance(smoke, Runs)
    ],
)
def test_a_target_runs(target: str, build: str, request: pytest.FixtureRequest) -> None:
    smoke = SMOKE[target]
    assert isinstance(smoke, Runs)
    shared = {SHARED: str(request.getfixturevalue("servers").stack.home.state)} if smoke.shares else {}
    done = make(target, *smoke.variables.format(build=build).split(), **shared)
    assert done.returncode == 0, f"make {target}: {done.stdout[-3000:]}{done.stderr[-3000:]}"


@pytest.mark.parametrize("target", [name for name, smoke in SMOKE.items() if not isinstance(smoke, Runs)])
def test_a_recipe_can_be_executed(target: str) -> None:
    """Its programs take the options that it gives them, its tests are there."""
    done = make("--dry-run", target)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip(), f"make {target} does nothing"
    for program in _PROGRAM.finditer(done.stdout):
        options = {word for word in shlex.split(program["arguments"]) if word.startswith("--")}
        if options:
            assert options <= options_of(program["module"]), f"make {target}: {program['module']} takes other options"
        else:
            assert (ROOT / program["module"].replace(".", "/")).with_suffix(".py").exists()
    for tests in _TESTS.finditer(done.stdout):
        paths = [word for word in shlex.split(tests["arguments"]) if word.startswith("tests/")]
        assert all((ROOT / path).exists() for path in paths), f"make {target}: {paths}"


def options_of(module: str) -> set[str]:
    done = subprocess.run(
        [ROOT / ".venv/bin/python", "-m", module, "--help"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(re.findall(r"--[a-z-]+", done.stdout))


@pytest.mark.parametrize("target", [name for name, smoke in SMOKE.items() if isinstance(smoke, Covered)])
def test_a_test_that_covers_a_target_is_there(target: str) -> None:
    smoke = SMOKE[target]
    assert isinstance(smoke, Covered)
    path, _, name = smoke.by.partition("::")
    functions = [node for node in ast.walk(ast.parse((ROOT / path).read_text())) if isinstance(node, ast.FunctionDef)]
    assert [node for node in functions if node.name.startswith(name)], f"expected a test {name}… in {path}"
