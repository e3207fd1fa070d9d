"""The command line: what it loads, what it says when something is missing, and its exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[4]


def writegate(*arguments: str, python: tuple[str, ...] = ("-m", "writegate")) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *python, *arguments], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )


def test_help_names_the_commands() -> None:
    done = writegate("--help")
    assert done.returncode == 0
    assert " stack " in done.stdout
    assert " apply " in done.stdout


def test_a_missing_extra_is_one_line() -> None:
    without = "import sys; sys.modules['typer'] = None; from writegate.cli.main import main; main()"
    done = writegate("stack", "status", python=("-c", without))
    assert done.returncode == 1
    assert done.stderr == "writegate: the module 'typer' is missing: install the extra, writegate[cli]\n"


def test_a_command_that_lacks_a_module_says_which_and_leaves_the_others_usable() -> None:
    without = "import sys; sys.modules['supervisor'] = None; from writegate.cli.main import main; main()"
    done = writegate("stack", "status", python=("-c", without))
    assert done.returncode == 1
    assert done.stderr.startswith("writegate: `stack` needs the module 'supervisor")
    assert done.stderr.count("\n") == 1
    assert " stack " in writegate("--help", python=("-c", without)).stdout


def test_only_the_named_command_is_loaded() -> None:
    code = "import sys; from writegate.cli.main import app; app(['stack']); sys.exit('writegate_writer' in sys.modules)"
    assert writegate(python=("-c", code)).returncode == 0


def test_the_stack_is_not_imported_with_the_library() -> None:
    code = "import sys, writegate; sys.exit(any(name.startswith('writegate_devkit') for name in sys.modules))"
    assert writegate(python=("-c", code)).returncode == 0


def test_status_of_a_stack_that_was_never_started_is_3(tmp_path: Path) -> None:
    done = writegate("stack", "status", "--json", "--state", str(tmp_path / "state"))
    assert done.returncode == 3
    assert json.loads(done.stdout)["programs"] == []
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("up", "--programs", "nonsense"), 1, "no program named 'nonsense'"),
        (("up", "--only", "writers"), 2, "--only servers"),
        (("env", "flights"), 1, "writegate stack up"),
    ],
)
def test_wrong_use_says_what_is_expected(tmp_path: Path, arguments: tuple[str, ...], code: int, words: str) -> None:
    done = writegate("stack", *arguments, "--state", str(tmp_path / "state"))
    assert done.returncode == code
    assert words in done.stderr
    assert "Traceback" not in done.stderr
