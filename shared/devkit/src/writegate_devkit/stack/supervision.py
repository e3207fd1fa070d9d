"""The supervisor: supervisord, configured from the programs and driven over a unix socket in the state directory."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any
from xmlrpc.client import Fault, ServerProxy

from supervisor.xmlrpc import Faults, SupervisorTransport

from writegate_devkit.stack.errors import StackError
from writegate_devkit.stack.home import Home
from writegate_devkit.stack.programs import Program

# A variable in the environment of every program of a stack, so that it is found even when its supervisor is gone.
MARK = "WRITEGATE_STACK_STATE"
# Nobody else may read what the programs write: their logs may have values of rows in them.
UMASK = 0o077
# Nothing else of the caller's environment is inherited: a setting there must not change what runs here.
INHERITED = ("PATH", "HOME", "LANG", "TZ", "TMPDIR")


@dataclass(frozen=True)
class Running:
    """A program in the supervisor: its state, as supervisord names it, and its process id (0: none)."""

    state: str
    pid: int

    @property
    def failed(self) -> bool:
        """Whether it ended within a second of its start, or could not be started at all."""
        return self.state in {"BACKOFF", "FATAL"}


class Supervisor:
    """Drives one stack's supervisord. It need not be running: ``start`` starts it."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._socket = home.run / "supervisor.sock"

    @property
    def pid_file(self) -> Path:
        """Where supervisord writes its process id."""
        return self._home.run / "supervisord.pid"

    def start(self, programs: Iterable[Program]) -> None:
        """Start supervisord with ``programs``, none of them running yet. Raises :class:`StackError` if it cannot."""
        configuration = self._home.state / "supervisord.conf"
        configuration.touch(mode=0o600)  # it holds passwords
        for log in self._home.logs.iterdir():  # those of before the umask
            log.chmod(0o600)
        configuration.write_text(render(self._home, programs))
        done = subprocess.run(
            [sys.executable, "-m", "supervisor.supervisord", "-c", configuration],
            env={name: os.environ[name] for name in INHERITED if name in os.environ} | {MARK: str(self._home.state)},
            cwd=self._home.state, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
            umask=UMASK,  # it opens its own log before it reads that setting
        )  # fmt: skip
        if done.returncode:
            raise StackError(f"supervisord did not start: {(done.stderr or done.stdout).strip()}")

    def programs(self) -> dict[str, Running] | None:
        """Return the state of each program by name; None when supervisord does not answer."""
        try:
            rows = self._call(lambda supervisor: supervisor.getAllProcessInfo())
        except (OSError, HTTPException):
            return None
        return {row["name"]: Running(row["statename"], row["pid"]) for row in rows}

    def start_program(self, name: str) -> None:
        """Start one program; one that runs already stays as it is."""
        self._tolerating(Faults.ALREADY_STARTED, lambda supervisor: supervisor.startProcess(name, False))

    def stop_program(self, name: str) -> None:
        """Ask one program to stop, and return at once; one that is down already stays so."""
        self._tolerating(Faults.NOT_RUNNING, lambda supervisor: supervisor.stopProcess(name, False))

    def shut_down(self) -> None:
        """Ask supervisord to end. It stops what still runs first."""
        self._tolerating(Faults.SHUTDOWN_STATE, lambda supervisor: supervisor.shutdown())

    def _tolerating(self, fault: int, call: Callable[[Any], object]) -> None:
        try:
            self._call(call)
        except Fault as error:
            if error.faultCode != fault:
                raise StackError(
                    f"supervisord refused: {error.faultString}; see {self._home.logs / 'supervisord.log'}"
                ) from error

    def _call(self, call: Callable[[Any], Any]) -> Any:
        transport = SupervisorTransport(None, None, f"unix://{self._socket}")
        try:
            # The address is never used: the transport connects to the socket.
            return call(ServerProxy("http://127.0.0.1", transport).supervisor)
        finally:
            transport.close()


def render(home: Home, programs: Iterable[Program]) -> str:
    """Return supervisord's configuration."""
    head = f"""\
[supervisord]
logfile = {home.logs / "supervisord.log"}
logfile_maxbytes = 10MB
logfile_backups = 1
umask = {UMASK:03o}
pidfile = {home.run / "supervisord.pid"}
childlogdir = {home.logs}
{"user = root" if os.geteuid() == 0 else "; runs as whoever starts it"}

[unix_http_server]
file = {home.run / "supervisor.sock"}
chmod = 0700

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
"""
    return head + "".join(_section(home, program) for program in programs)


def _section(home: Home, program: Program) -> str:
    environment = ",".join(f'{name}="{_plain(value)}"' for name, value in program.environment.items())
    user = f"user = {program.user}\n" if program.user and os.geteuid() == 0 else ""
    return f"""
[program:{program.name}]
command = {_plain(shlex.join(program.command))}
directory = {_plain(str(program.directory))}
environment = {environment}
{user}priority = {program.priority}
; `up` starts in order and waits for each; after that a program that dies comes back by itself, for as long as it takes.
autostart = false
autorestart = true
startsecs = 1
startretries = 1000000
stopsignal = {program.stop_signal}
stopwaitsecs = {program.stop_seconds}
killasgroup = true
redirect_stderr = true
stdout_logfile = {_plain(str(home.logs / program.name))}.log
stdout_logfile_maxbytes = 20MB
stdout_logfile_backups = 1
"""


def _plain(text: str) -> str:
    # supervisord expands %(name)s in every value; a percent sign of ours stands for itself.
    return text.replace("%", "%%")
