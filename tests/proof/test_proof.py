"""The proof's own parts: going on after an interruption, ending what was started, what people are shown."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from tests.deadlines import patient
from tests.proof import __main__ as program
from tests.proof.checks import Check
from tests.proof.commands import end_group, environment, run_command
from tests.proof.record import Record, Result, Tree
from tests.proof.report import show
from writegate_devkit.stack.readiness import wait_until

CLEAN = Tree("0123456789abcdef", dirty=False)
DIRTY = Tree("0123456789abcdef", dirty=True)


def test_a_target_is_not_given_the_variables_of_the_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("QUICK", "ONLY", "CHAOS", "SECONDS", "MAKEFLAGS", "MAKEOVERRIDES"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("WRITEGATE_SLOTS", "2")
    given = environment()
    assert not {"QUICK", "ONLY", "CHAOS", "SECONDS", "MAKEFLAGS", "MAKEOVERRIDES"} & set(given)
    assert given["WRITEGATE_SLOTS"] == "2"


def test_what_passed_is_found_again_for_the_same_clean_commit_and_size_only(tmp_path: Path) -> None:
    first = Record(CLEAN, quick=False, folder=tmp_path)
    first.add(Result("fuzz", "make fuzz", passed=True, seconds=3.0, figures={"applied": 5.0}))
    first.add(Result("bank", "make bank", passed=False, seconds=4.0))
    again = Record(CLEAN, quick=False, folder=tmp_path)
    assert again.results == {"fuzz": first.results["fuzz"]}
    assert again.passed("fuzz", "make fuzz")
    assert not again.passed("fuzz", "make fuzz MESSAGES=1")
    for other in (Record(CLEAN, quick=True, folder=tmp_path), Record(DIRTY, quick=False, folder=tmp_path)):
        assert other.results == {}


def test_nothing_is_kept_of_uncommitted_changes(tmp_path: Path) -> None:
    Record(DIRTY, quick=False, folder=tmp_path).add(Result("fuzz", "make fuzz", passed=True, seconds=3.0))
    assert list(tmp_path.iterdir()) == []


def test_a_command_is_run_and_its_output_kept(tmp_path: Path) -> None:
    ended = run_command([sys.executable, "-c", "print('done'); raise SystemExit(3)"], tmp_path / "logs/check.log")
    assert (ended.exit_code, ended.output) == (3, "done\n")
    assert (tmp_path / "logs/check.log").read_text() == "done\n"


def alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


STUBBORN = "trap '' TERM; echo $$; sleep 600 & echo $!; wait; sleep 600"


@pytest.mark.parametrize("script", ["echo $$; sleep 600 & echo $!; wait", STUBBORN], ids=["usual", "stubborn"])
def test_everything_that_was_started_is_ended(script: str) -> None:
    process = subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, start_new_session=True)
    assert process.stdout is not None
    with process.stdout as lines:
        pids = [int(lines.readline()) for _ in range(2)]
    assert all(map(alive, pids))
    end_group(process, seconds=0.5)
    assert wait_until(lambda: not any(map(alive, pids)), patient(10))


ENDLESS = """
import sys
from pathlib import Path
from tests.proof import __main__ as program, checks

folder = Path(sys.argv[1])
checks.Check.command = lambda self, quick: ["sh", "-c", f"echo $$ > {folder}/pid; sleep 600"]
program.FOLDER, program.RESULT = folder, folder / "proof.json"
sys.argv = ["proof", "--only", "fuzz"]
sys.exit(program.main())
"""


def test_an_interrupted_proof_ends_its_check_and_says_so(tmp_path: Path) -> None:
    """The real program, on a check that would take for ever."""
    started = tmp_path / "pid"
    process = subprocess.Popen([sys.executable, "-c", ENDLESS, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout as lines:
        assert wait_until(lambda: started.exists() and started.read_text().endswith("\n"), patient(30))
        process.terminate()
        output = lines.read()
    assert process.wait(patient(30)) == 130
    assert "Interrupted" in output
    assert not alive(int(started.read_text()))
    assert json.loads((tmp_path / "proof.json").read_text())["checks"] == []


def run(record: Record, checks: list[Check]) -> str:
    console = Console(file=io.StringIO(), width=160)
    program.run_checks(record, checks, console)
    show(record, checks, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Check]:
    """A check that notes each run, and one that fails."""
    monkeypatch.setattr(Check, "command", lambda self, **_: ["sh", "-c", self.full])
    monkeypatch.setattr(program, "FOLDER", tmp_path / "logs")
    monkeypatch.setattr(Tree, "read", lambda: CLEAN)
    return [
        Check("good", f"echo run >> {tmp_path}/runs; echo 7 passed", "", {"passed": r"(\d+) passed"}),
        Check("bad", "echo what was wrong; false", ""),
    ]


def test_a_run_goes_on_where_it_was_and_tries_again_what_failed(checks: list[Check], tmp_path: Path) -> None:
    first = run(Record(CLEAN, quick=False, folder=tmp_path), checks)
    assert "what was wrong" in first
    assert "FAILED with exit code 1" in first
    assert re.search(r"│ good +│ passed +│ +\d+ │ passed 7", first)
    again = Record(CLEAN, quick=False, folder=tmp_path)
    assert "passed before" in run(again, checks)
    assert (tmp_path / "runs").read_text() == "run\n"
    assert [result.passed for result in again.results.values()] == [True, False]
    assert again.as_dict()["passed"] is False


def test_a_run_stops_when_the_tree_changes(
    checks: list[Check], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Tree, "read", lambda: DIRTY)
    record = Record(CLEAN, quick=False, folder=tmp_path)
    assert "have changed" in run(record, checks)
    assert record.results == {}
