"""The HTTP sites that are attacked, each a process of its own: the console, a FastAPI and a Django application."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final

import httpx
import psutil

from tests.attacks.clients import PASSWORD, Client, read_answer, status_of
from tests.attacks.target import ATTACKER, Target
from tests.deadlines import patient
from writegate_console import users
from writegate_devkit.stack.ports import choose
from writegate_devkit.stack.readiness import wait_until

CHECKOUT: Final = Path(__file__).parents[2]
PATIENCE_SECONDS: Final = patient(60)
OPERATOR, READER = "olga", "rita"

_UVICORN = ("uvicorn", "--http", "writegate.integrations.uvicorn:TimedProtocol")
FASTAPI: Final = (*_UVICORN, "tests.examples.with_fastapi:app")
DJANGO: Final = (*_UVICORN, "fleet.asgi:application")
CONSOLE: Final = ("writegate", "console")


class Site:
    """A running site."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.client = Client(port)
        self._process = psutil.Process(process.pid)
        self._log = log

    def session(self, name: str) -> str:
        """Log in from an address of its own; return the header ``Cookie``."""
        with closing(self.client.log_in(name, "127.9.9.9")) as connection:
            answer = read_answer(connection)
        assert status_of(answer) == 303, answer
        return answer.partition(b"et-cookie: ")[2].partition(b";")[0].decode()

    def peak_bytes(self) -> int:
        """Return the most memory that the process has had so far."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return 1024 * int(status.partition("VmHWM:")[2].split()[0])

    def check_whole(self) -> None:
        """It is alive, and has logged no error of its own."""
        assert self._process.is_running(), self.log[-3000:]
        assert "Traceback" not in self.log, self.log[-3000:]

    @property
    def log(self) -> str:
        """What it has printed."""
        return self._log.read_text(errors="replace")


@contextmanager
def site_running(target: Target, module: tuple[str, ...]) -> Iterator[Site]:
    """Start a site; end it again."""
    port = choose(("site",), {})["site"]
    log = target.directory / f"site-{port}.log"
    line = [sys.executable, "-m", *module]
    if module is not CONSOLE:
        line += ["--port", str(port), "--log-level", "warning"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            line, cwd=CHECKOUT, env=_environment(target, module, port), stdout=output, stderr=output
        )
    site = Site(process, port, log)
    try:
        assert wait_until(lambda: _is_live(site) or process.poll() is not None, PATIENCE_SECONDS), site.log
        assert process.poll() is None, site.log
        yield site
        site.check_whole()
    finally:
        process.kill()
        process.wait(PATIENCE_SECONDS)


def _environment(target: Target, module: tuple[str, ...], port: int) -> Mapping[str, str]:
    if module is CONSOLE:
        path = target.directory / "users.json"
        if not path.exists():
            users.add_user(path, OPERATOR, "operator", PASSWORD)
            users.add_user(path, READER, "reader", PASSWORD)
        own = {"WRITEGATE_HTTP_PORT": str(port), "WRITEGATE_CONSOLE_USERS": str(path)}
        return {**os.environ, **target.gate.operator.settings(), **own}
    return {
        **target.gate.environment(ATTACKER),
        "DJANGO_SETTINGS_MODULE": "tests.examples.with_django",
        "WRITEGATE_TELEMETRY": "",
    }


def _is_live(site: Site) -> bool:
    with suppress(httpx.HTTPError), site.client.session() as client:
        return client.get("/livez", timeout=patient(2)).status_code == 200
    return False
