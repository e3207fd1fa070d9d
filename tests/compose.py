"""Reading a compose file with the tool that reads it in production."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.checkout import ROOT


def parse(*files: Path) -> subprocess.CompletedProcess[str]:
    """Have docker-compose read files, each of which adds to those before.

    `config` checks them against the specification, and needs no engine.
    """
    given = [word for file in files for word in ("--file", str(file))]
    command = ["docker-compose", *given, "--project-directory", str(ROOT), "config"]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={"PATH": "/usr/bin:/bin"})
