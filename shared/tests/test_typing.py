"""A wrong field, a wrong command and a missing await are errors before anything runs, and right code is none."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from mypy import api

ROOT = Path(__file__).resolve().parents[2]
USE = ROOT / "tests" / "typing" / "use.py"


def found(file: Path) -> set[tuple[int, str]]:
    """The lines that mypy complains about, each with the rule."""
    said, trouble, _ = api.run(["--config-file", str(ROOT / "pyproject.toml"), "--no-error-summary", str(file)])
    assert not trouble
    lines = [line for line in said.splitlines() if ": error: " in line]
    return {(int(line.split(":")[1]), line.rpartition("[")[2].rstrip("]")) for line in lines}


def expected(file: Path) -> set[tuple[int, str]]:
    lines = enumerate(file.read_text().splitlines(), 1)
    return {(number, match[1]) for number, line in lines if (match := re.search(r"# expect: ([a-z-]+)$", line))}


@pytest.mark.slow
def test_a_type_checker_finds_wrong_uses_and_nothing_else() -> None:
    wanted = expected(USE)
    assert wanted
    assert found(USE) == wanted
