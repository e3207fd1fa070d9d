"""The guard of a test run: a run that is killed, which cannot do anything itself, leaves nothing behind."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

from tests.deadlines import patient
from tests.processes import alive
from writegate_devkit.stack.readiness import wait_until
from writegate_devkit.stack.supervision import MARK

CHECKOUT = Path(__file__).parents[2]
END_SECONDS = patient(30)
RUN = f"""
import json, os, subprocess, sys, time
from pathlib import Path
from tests import guard
from writegate_devkit.stack.home import POINTER
directory = Path(sys.argv[1])
guard.watch(directory, remove=True)
sleeper = [sys.executable, "-c", "import time; time.sleep(3600)"]
of_the_run = subprocess.Popen(sleeper)
of_a_stack = subprocess.Popen(sleeper, env={{"{MARK}": str(directory / "state")}})
elsewhere = directory.with_name("elsewhere")
elsewhere.mkdir()
(directory / POINTER).write_text(f"{{elsewhere}}\\n")
of_the_moved = subprocess.Popen(sleeper, env={{"{MARK}": str(elsewhere / "state")}})
of_others = subprocess.Popen(sleeper, env={{"{MARK}": str(directory) + "-other/state"}})
print(json.dumps([of_the_run.pid, of_a_stack.pid, of_the_moved.pid, of_others.pid]), flush=True)
time.sleep(3600)
"""


def test_what_a_killed_run_has_started_is_ended(tmp_path: Path) -> None:
    directory = tmp_path / "stack"
    directory.mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", RUN, str(directory)], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout is not None
        *started, of_others = json.loads(run.stdout.readline())
        run.send_signal(signal.SIGKILL)
    try:
        assert wait_until(lambda: not any(map(alive, started)), END_SECONDS)
        assert wait_until(lambda: not directory.exists(), END_SECONDS)
        assert alive(of_others)
    finally:
        subprocess.run(["kill", "-KILL", str(of_others)], check=True)
