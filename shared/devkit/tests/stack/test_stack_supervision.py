"""The supervisor's configuration as supervisord itself reads it, and the processes a killed one leaves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from supervisor.options import ServerOptions

from tests.deadlines import patient
from writegate_devkit.stack import orphans
from writegate_devkit.stack.home import Home, create
from writegate_devkit.stack.programs import Program
from writegate_devkit.stack.readiness import wait_until
from writegate_devkit.stack.supervision import MARK, render


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path, tmp_path / "state", tmp_path / "state")
    create(home)
    return home


def test_what_we_write_is_what_supervisord_reads(home: Home) -> None:
    directory = home.state / "a directory, 100%"
    directory.mkdir()
    program = Program(
        "odd",
        ("/bin/echo", "it's", '50% "done"', "writer-1@%h"),
        address="",
        environment={"URL": "amqp://u:p@127.0.0.1:1/%2F", "LIST": "a,b=c"},
        directory=directory,
        priority=7,
        stop_signal="INT",
        stop_seconds=61,
    )
    file = home.state / "supervisord.conf"
    file.write_text(render(home, [program]))
    options = ServerOptions()
    options.realize(["-c", str(file)])
    (read,) = options.process_group_configs[0].process_configs
    assert (read.name, read.directory, read.environment) == ("odd", str(directory), program.environment)
    assert (read.stopsignal, read.stopwaitsecs, read.priority) == (signal.SIGINT, 61, 7)
    assert not read.autostart
    assert options.configroot.supervisord.umask == 0o077
    assert read.startretries > 1_000  # an outage of hours must not make it give up
    printed = subprocess.run(["sh", "-c", read.command], capture_output=True, text=True, check=True).stdout
    assert printed == 'it\'s 50% "done" writer-1@%h\n'


@pytest.fixture
def sleeping(home: Home) -> Iterator[subprocess.Popen[bytes]]:
    """A process with a child, as a stack would have left them."""
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])"
    with subprocess.Popen([sys.executable, "-c", code], env={MARK: str(home.state)}) as process:
        yield process
        process.kill()


def test_finds_what_carries_the_mark_and_nothing_else(
    home: Home, tmp_path: Path, sleeping: subprocess.Popen[bytes]
) -> None:
    assert wait_until(lambda: len(orphans.find(home)) == 2, patient(10))
    found = orphans.find(home)
    assert sleeping.pid in found
    assert os.getpid() not in found
    assert not orphans.find(Home(tmp_path, tmp_path / "other", tmp_path / "other"))
    for pid, left in found.items():
        if left.parent == sleeping.pid:
            os.kill(pid, signal.SIGKILL)


def test_ends_what_is_left(home: Home, sleeping: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    assert wait_until(lambda: len(orphans.find(home)) == 2, patient(10))
    monkeypatch.setattr(orphans, "STOP_SECONDS", 0.5)  # the child of this parent does not end with it: KILL comes
    orphans.stop(home)
    assert not orphans.find(home)
    assert sleeping.wait(patient(10)) != 0
