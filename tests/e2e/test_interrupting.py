"""A parallel run of tests that is interrupted or ended leaves no server behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deadlines import patient
from tests.processes import alive
from writegate_devkit.stack.readiness import wait_until

CHECKOUT = Path(__file__).parents[2]
ENDLESS = "tests/e2e/interrupted.py"
START_SECONDS, END_SECONDS = patient(90), patient(90)

pytestmark = pytest.mark.slow


# One with several workers is enough: each starts servers of its own.
@pytest.mark.parametrize(("number", "workers"), [(signal.SIGINT, 2), (signal.SIGTERM, 1)], ids=["SIGINT", "SIGTERM"])
def test_a_parallel_run_ends_its_servers(number: signal.Signals, workers: int, tmp_path: Path) -> None:
    # What a shell runs in the background ignores INT, and so would this.
    pytest_line = ["-m", "pytest", "-n", str(workers), "-p", "no:cacheprovider", ENDLESS]
    line = ["env", "--default-signal=INT", sys.executable, *pytest_line]
    environment = {**os.environ, "INTERRUPTED_RECORDS": str(tmp_path)}
    with (tmp_path / "log").open("wb") as log:
        run = subprocess.Popen(line, cwd=CHECKOUT, env=environment, stdout=log, stderr=log)
    try:
        files = [tmp_path / f"{started}.json" for started in range(1, workers + 1)]
        assert wait_until(lambda: all(file.exists() for file in files), START_SECONDS), (tmp_path / "log").read_text()
        records = [json.loads(file.read_text()) for file in files]
        run.send_signal(number)  # to this process alone: its workers are not told
        run.wait(END_SECONDS)
    finally:
        run.kill()
        run.wait()
    pids = {pid for record in records for pid in (record["run"], *record["pids"])}
    assert len(pids) >= workers * len(["run", "child", "supervisord", "epmd", "beam", "postgres"])
    assert wait_until(lambda: not any(map(alive, pids)), END_SECONDS), sorted(filter(alive, pids))
    directories = [Path(record["directory"]) for record in records]
    assert wait_until(lambda: not any(directory.exists() for directory in directories), END_SECONDS)
