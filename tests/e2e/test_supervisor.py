"""The production supervisor configuration, really run by supervisord: start, stop, crash."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from tests.deadlines import patient
from writegate_devkit.stack import Stack
from writegate_devkit.stack.environment import CONSOLE, FEED
from writegate_devkit.stack.ports import choose, is_free
from writegate_devkit.stack.programs import apps
from writegate_devkit.stack.readiness import wait_until

CONFIGURATION = Path(__file__).parents[2] / "deploy/supervisor/writegate.conf"
SERVICES = tuple(name for name in apps(CONFIGURATION.parents[2]) if name not in {CONSOLE, FEED})
PROGRAMS = ("writer-1", "writer-2", *SERVICES, CONSOLE)


class Supervised:
    """A supervisord that runs the configuration; asked through supervisorctl, as an operator would."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment
        self.ports = {name: environment[f"PORT_{name.upper().replace('-', '_')}"] for name in PROGRAMS}

    def ask(self, *words: str) -> str:
        line = [sys.executable, "-m", "supervisor.supervisorctl", "-c", str(CONFIGURATION), *words]
        return subprocess.run(line, env=self.environment, capture_output=True, text=True, check=False).stdout.strip()

    def ready(self, name: str) -> bool:
        try:
            with urlopen(f"http://127.0.0.1:{self.ports[name]}/readyz", timeout=patient(2)) as answer:
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False

    def pid(self, name: str) -> int:
        return int(self.ask("pid", name))

    def wait_ready(self, name: str) -> None:
        assert wait_until(lambda: self.ready(name), patient(30)), self.ask("tail", name)


@pytest.fixture(scope="module")
def supervised(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Supervised]:
    stack = Stack(tmp_path_factory.mktemp("supervisor") / "state")
    stack.up(())
    run = tmp_path_factory.mktemp("run")
    try:
        environment = settings(stack, run)
        line = [sys.executable, "-m", "supervisor.supervisord", "--nodaemon", "-c", str(CONFIGURATION)]
        with subprocess.Popen(line, env=environment, stdout=subprocess.DEVNULL) as supervisord:
            yield Supervised(environment)
            supervisord.send_signal(signal.SIGTERM)
            assert supervisord.wait(patient(60)) == 0
    finally:
        stack.down(wipe=True)


def settings(stack: Stack, run: Path) -> dict[str, str]:
    """Return what the head of the configuration asks for."""
    writer, operator = stack.environment("writer"), stack.environment("operator")
    ports = choose(
        PROGRAMS, stack.state.ports, free=lambda port: port not in stack.state.ports.values() and is_free(port)
    )
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(run),
        "WRITEGATE_BIN": str(Path(sys.executable).parent),
        "WRITEGATE_RUN": str(run),
        "WRITEGATE_LOGS": str(run),
        "WRITEGATE_CONNECTIONS": writer["WRITEGATE_CONNECTIONS"],
        "WRITEGATE_SLOTS": writer["WRITEGATE_SLOTS"],
        "DATABASE_URL_WRITER": writer["WRITEGATE_DATABASE_URL"],
        "DATABASE_URL_READER": operator["WRITEGATE_DATABASE_URL"],
        "BROKER_URL_OPERATOR": operator["WRITEGATE_BROKER_URL"],
        "BROKER_API_URL_OPERATOR": operator["WRITEGATE_BROKER_API_URL"],
        "BROKER_API_URL_WRITER": writer["WRITEGATE_BROKER_API_URL"],
        "CONSOLE_USERS": str(run / "users.json"),
        "BROKER_URL_WRITER": writer["WRITEGATE_BROKER_URL"],
        **{f"BROKER_URL_{name.upper()}": stack.environment(name)["WRITEGATE_BROKER_URL"] for name in SERVICES},
        **{f"PORT_{name.upper().replace('-', '_')}": str(port) for name, port in ports.items()},
    }


def test_all_programs_become_ready(supervised: Supervised) -> None:
    for name in PROGRAMS:
        supervised.wait_ready(name)
    assert supervised.ask("status").count("RUNNING") == len(PROGRAMS)


@pytest.mark.parametrize("name", ["writer-1", "flights", "fleet"])
def test_a_crashed_program_comes_back(supervised: Supervised, name: str) -> None:
    supervised.wait_ready(name)
    before = supervised.pid(name)
    os.kill(before, signal.SIGKILL)
    assert wait_until(lambda: supervised.pid(name) not in {0, before}, patient(10))
    supervised.wait_ready(name)


@pytest.mark.parametrize("name", ["writer-2", "weather", "console"])
def test_a_stopped_program_ends_by_itself_and_stays_down(supervised: Supervised, name: str) -> None:
    supervised.wait_ready(name)
    assert supervised.ask("stop", name) == f"{name}: stopped"
    assert "STOPPED" in supervised.ask("status", name)
    assert not supervised.ready(name)
    log = (Path(supervised.environment["WRITEGATE_LOGS"]) / "supervisord.log").read_text()
    assert f"stopped: {name} (terminated by SIGKILL)" not in log
    supervised.ask("start", name)
    supervised.wait_ready(name)
