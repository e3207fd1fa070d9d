"""Reading a compose file with the tool that reads it in production."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.checkout import ROOT


def parse(file: Path) -> subprocess.CompletedProcess[str]:
    """Have docker-compose read a file: `config` checks it against the specification and needs no engine."""
    command = ["docker-compose", "--file", str(file), "--project-directory", str(ROOT), "config"]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={"PATH": "/usr/bin:/bin"})
