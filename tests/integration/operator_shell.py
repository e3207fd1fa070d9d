"""An operator of a gate: somebody with the reader's role and the operator's broker account, and no more."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable

from tests import preloaded
from tests.deadlines import patient

COMMAND_SECONDS = patient(120)


class OperatorShell:
    """Runs ``writegate …``. ``settings`` returns the operator's settings."""

    def __init__(self, settings: Callable[[], dict[str, str]]) -> None:
        self.settings = settings

    def run(self, *arguments: str, seconds: float = COMMAND_SECONDS) -> subprocess.CompletedProcess[str]:
        """Run a command, whatever its exit code."""
        return preloaded.run("writegate", *arguments, env={**os.environ, **self.settings()}, timeout=seconds)

    def do(self, *arguments: str, seconds: float = COMMAND_SECONDS) -> str:
        """Run a command that must succeed; return what it prints."""
        done = self.run(*arguments, seconds=seconds)
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout
