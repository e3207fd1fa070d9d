"""Style, format and types. What a tool says is the failure."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    "tool",
    [
        ("ruff", "check", "--output-format", "concise"),
        ("ruff", "format", "--check", "--output-format", "concise"),
        ("mypy",),
    ],
    ids=["style", "format", "types"],
)
def test_the_code_is_clean(tool: tuple[str, ...]) -> None:
    done = subprocess.run([sys.executable, "-m", *tool], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
