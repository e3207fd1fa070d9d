"""A checkout with a new service, beside a gate: what the tests of `writegate service new` do with both."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

from tests.checkout import ROOT
from tests.integration.gate import Gate
from tests.servers import OWNER


def run(cwd: Path, *line: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program, with more environment."""
    environment = {**os.environ, **environment}
    return subprocess.run(line, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def service_new(checkout: Path, *words: str) -> None:
    """Make a service in a checkout."""
    done = run(checkout, sys.executable, "-m", "writegate", "service", "new", *words)
    assert done.returncode == 0, done.stderr


def install(folder: Path, site: Path, wheels: Path) -> None:
    """Install a service in a directory for `PYTHONPATH`: this environment stays as it is."""
    done = run(folder, sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(wheels))
    assert done.returncode == 0, done.stderr
    [wheel] = wheels.glob(f"{folder.name}-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)


def writegate(gate: Gate, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run `writegate` as the gate's owner, with more environment."""
    return run(ROOT, sys.executable, "-m", "writegate", *words, **{**gate.environment(OWNER), **more})


def planned(gate: Gate, **more: str) -> list[dict[str, Any]]:
    """Return the changes that `writegate plan` shows."""
    done = writegate(gate, "plan", "--json", **more)
    assert done.returncode in {0, 2}, done.stderr
    changes: list[dict[str, Any]] = json.loads(done.stdout)["changes"]
    return changes
