"""The HTTP sites that are attacked, each a process of its own: the console, a FastAPI and a Django application."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final

import httpx
import psutil

from tests.attacks.target import ATTACKER, Target
from tests.deadlines import patient
from writegate_console import users
from writegate_devkit.stack.ports import choose
from writegate_devkit.stack.readiness import wait_until

CHECKOUT: Final = Path(__file__).parents[2]
PATIENCE_SECONDS: Final = patient(60)
PASSWORD: Final = "correct horse battery"
OPERATOR, READER = "olga", "rita"

_UVICORN = ("uvicorn", "--http", "writegate.integrations.uvicorn:TimedProtocol")
FASTAPI: Final = (*_UVICORN, "tests.examples.with_fastapi:app")
DJANGO: Final = (*_UVICORN, "fleet.asgi:application")
CONSOLE: Final = ("writegate", "console")


class Site:
    """A running site."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.address = ("127.0.0.1", port)
        self.url = f"http://127.0.0.1:{port}"
        self._process = psutil.Process(process.pid)
        self._log = log

    def client(self, **more: str) -> httpx.Client:
        """Return a client; ``more`` are headers."""
        return httpx.Client(
            base_url=self.url, headers=more, timeout=PATIENCE_SECONDS, transport=httpx.HTTPTransport(retries=1)
        )

    def send(self, data: bytes, source: str = "127.0.0.1") -> socket.socket:
        """Send something from one of this machine's own addresses; return the connection."""
        connection = socket.create_connection(self.address, PATIENCE_SECONDS, (source, 0))
        connection.sendall(data)
        return connection

    def log_in(self, name: str, source: str = "127.0.0.1", password: str = PASSWORD) -> socket.socket:
        """Send the form of the console's log-in; return the connection, on which the answer comes."""
        form = f"name={name}&password={password.replace(' ', '+')}&next=/".encode()
        return self.send(
            b"POST /login HTTP/1.1\r\nHost: h\r\nContent-Type: application/x-www-form-urlencoded\r\n"
            b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(form) + form,
            source,
        )

    def session(self, name: str) -> str:
        """Log in from an address of its own; return the header ``Cookie``."""
        with closing(self.log_in(name, "127.9.9.9")) as connection:
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
    with suppress(httpx.HTTPError), site.client() as client:
        return client.get("/livez", timeout=patient(2)).status_code == 200
    return False


def read_answer(connection: socket.socket) -> bytes:
    """Return what comes on a connection until it ends."""
    connection.settimeout(PATIENCE_SECONDS)
    answer = b""
    with suppress(ConnectionError):
        while part := connection.recv(65_536):
            answer += part
    return answer


def status_of(answer: bytes) -> int:
    """Return the status of an answer, 0 without one."""
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/") else 0
