"""A program that is forked behaves as one that is started: its environment, path, output and end are its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryFile

import pytest

from tests.deadlines import patient
from tests.preloaded import LIBRARIES, Program, run
from tests.processes import alive

CHECKOUT = Path(__file__).parents[2]
PROGRAM = """
import json, os, sys, time
print(json.dumps([sys.argv[1:], sys.path[:2], os.getcwd(), os.environ["OWN"], time.tzname[0], __name__]))
sys.exit("what went wrong" if sys.argv[1:] == ["fail"] else 0)
"""
SLEEPER = "import time\nprint('up', flush=True)\ntime.sleep(3600)\n"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "shown.py").write_text(PROGRAM)
    (tmp_path / "sleeper.py").write_text(SLEEPER)
    return {**os.environ, "PYTHONPATH": str(tmp_path), "OWN": "value", "TZ": "Asia/Tokyo"}


@pytest.mark.parametrize("arguments", [["a", "b c"], ["fail"]])
def test_it_is_as_if_started_by_itself(environment: dict[str, str], arguments: list[str]) -> None:
    command = [sys.executable, "-m", "shown", *arguments]
    started = subprocess.run(command, env=environment, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    forked = run("shown", *arguments, env=environment)
    assert "JST" in started.stdout
    assert (forked.returncode, forked.stdout, forked.stderr) == (started.returncode, started.stdout, started.stderr)


def test_it_ends_by_a_signal_as_others_do(environment: dict[str, str]) -> None:
    with TemporaryFile() as output:
        program = Program("sleeper", env=environment, stdout=output, stderr=output)
        assert program.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            program.wait(0.01)
        program.send_signal(signal.SIGTERM)
        assert program.wait(patient(10)) == -signal.SIGTERM
        assert not alive(program.pid)
    with pytest.raises(subprocess.TimeoutExpired):
        run("sleeper", env=environment, timeout=0.01)


def test_only_libraries_of_others_are_loaded_beforehand() -> None:
    program = "import importlib, sys, threading\nfor name in sys.argv[1:]: importlib.import_module(name)\n"
    program += "print(threading.active_count(), *(name for name in sys.modules if name.startswith('writegate')))"
    done = subprocess.run([sys.executable, "-c", program, *LIBRARIES], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1"]
