"""Programs of ours that start in a Python that has the libraries loaded already.

A run starts some three hundred writers and commands, and half of what one costs (0.3 to 0.6 s of CPU) goes into
importing SQLAlchemy, Celery, pydantic and the like. So a process has them imported once, and each program is a fork of
it. Only libraries of others are loaded beforehand: every program imports our own modules itself, under its own
environment and path, as ``python -m`` does. That programs start by themselves is shown in ``tests/e2e``.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from io import BufferedIOBase
from pathlib import Path
from threading import Lock

CHECKOUT = Path(__file__).parents[1]
# What writers, `apply` and the operators' commands import. None of them reads a variable that a test sets.
LIBRARIES = (
    "celery.app.base", "celery.app.trace", "celery.bin.celery", "celery.bin.worker", "celery.worker.consumer",
    "httpx", "kombu.transport.pyamqp", "pika", "prometheus_client", "psycopg2.extras", "pydantic.main",
    "rich.console", "rich.table", "sqlalchemy.dialects.postgresql.psycopg2", "sqlalchemy.orm", "structlog", "yaml",
)  # fmt: skip
_REQUEST_BYTES = 1024 * 1024
_STATUS_BYTES = 4
_asking = Lock()  # one request at a time; a test may start programs from several threads


class Program:
    """A program that was started: what the tests use of :class:`subprocess.Popen`."""

    def __init__(
        self, module: str, *arguments: str, env: Mapping[str, str], stdout: BufferedIOBase, stderr: BufferedIOBase
    ) -> None:
        self.returncode: int | None = None
        request = json.dumps([[module, *arguments], dict(env)]).encode()
        self._status, status = os.pipe()
        with Path(os.devnull).open("rb") as nothing:
            files = [nothing.fileno(), stdout.fileno(), stderr.fileno(), status]
            try:
                with _asking:
                    socket.send_fds(_starter(), [request], files)
                    self.pid = int(_starter().recv(_REQUEST_BYTES))
            finally:
                os.close(status)

    def poll(self) -> int | None:
        """Return the exit code as :mod:`subprocess` has it, None while the program runs."""
        if self.returncode is None and select.select([self._status], [], [], 0)[0]:
            self._ended()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has ended. Raises :class:`subprocess.TimeoutExpired`."""
        if self.returncode is None:
            if not select.select([self._status], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(f"program {self.pid}", timeout or 0)
            self._ended()
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it."""
        self.send_signal(signal.SIGKILL)

    def _ended(self) -> None:
        status = os.read(self._status, _STATUS_BYTES)
        assert status, "the process that starts programs has ended"
        os.close(self._status)
        self.returncode = int.from_bytes(status, "big", signed=True)


def run(
    module: str, *arguments: str, env: Mapping[str, str], timeout: float | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ``python -m module`` in the checkout, without input, whatever its exit code.

    Raises :class:`subprocess.TimeoutExpired`.
    """
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        program = Program(module, *arguments, env=env, stdout=stdout, stderr=stderr)
        try:
            code = program.wait(timeout)
        except BaseException:
            program.kill()
            program.wait()
            raise
        stdout.seek(0)
        stderr.seek(0)
        command = [module, *arguments]
        return subprocess.CompletedProcess(command, code, stdout.read().decode(), stderr.read().decode())


@cache
def _starter() -> socket.socket:
    """Start the process that starts programs; return the socket to it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _REQUEST_BYTES)
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.preloaded", str(theirs.fileno())],
        cwd=CHECKOUT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, pass_fds=[theirs.fileno()],
    )  # fmt: skip
    theirs.close()

    def stop() -> None:
        ours.close()
        process.wait()

    atexit.register(stop)
    return ours


def main() -> None:
    """Load the libraries and start programs until nobody asks any more. In a fork: run the program."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of the terminal: it ends with the run that started it
    for library in LIBRARIES:
        importlib.import_module(library)
    own = os.environ.get("PYTHONPATH", "")
    path = [entry for entry in sys.path[1:] if entry not in own.split(os.pathsep)]
    gc.collect()
    gc.freeze()  # a collection in a fork would copy every page
    asked = _serve(socket.socket(fileno=int(sys.argv[1])))
    if asked is None:
        return
    (module, *arguments), environment = asked
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    added = [entry for entry in environment.get("PYTHONPATH", "").split(os.pathsep) if entry]
    sys.path[:] = [str(CHECKOUT), *added, *path]
    sys.argv[:] = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _serve(channel: socket.socket) -> tuple[list[str], dict[str, str]] | None:
    """Fork for each request. Return it in the fork, and None at the end in the process itself."""
    running: dict[int, tuple[int, int]] = {}  # descriptor of a process -> its id, where to write its exit code
    while True:
        for ready in select.select([channel.fileno(), *running], [], [])[0]:
            if ready != channel.fileno():
                pid, status = running.pop(ready)
                code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                with suppress(BrokenPipeError):  # nobody wants to know
                    os.write(status, code.to_bytes(_STATUS_BYTES, "big", signed=True))
                os.close(status)
                os.close(ready)
                continue
            request, files, _, _ = socket.recv_fds(channel, _REQUEST_BYTES, 4)
            if not request:
                return None
            if not (pid := os.fork()):
                for number, file in enumerate(files[:3]):
                    os.dup2(file, number)
                channel.detach()
                os.closerange(3, max([ready, *files, *running, *(status for _, status in running.values())]) + 1)
                arguments, environment = json.loads(request)
                return arguments, environment
            running[os.pidfd_open(pid)] = (pid, files[3])
            for file in files[:3]:
                os.close(file)
            channel.send(str(pid).encode())


if __name__ == "__main__":
    main()
