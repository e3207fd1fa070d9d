"""One stack: bring it up and down, and start, stop, kill and watch its programs, as tests and the demo do."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from writegate_devkit.stack import broker, database, orphans
from writegate_devkit.stack import environment as environments
from writegate_devkit.stack.environment import CONSOLE, CONSOLE_USER
from writegate_devkit.stack.errors import StackError
from writegate_devkit.stack.home import Home, create, find_checkout, locate
from writegate_devkit.stack.programs import PORTS, SERVERS, WRITERS, Program, apps, console_users, writers_and_apps
from writegate_devkit.stack.readiness import answers, wait_until
from writegate_devkit.stack.stack_state import StackState, read_state, renew, with_passwords
from writegate_devkit.stack.supervision import Running, Supervisor

# PATIENCE=3, as for the tests: everything may take three times as long on a machine that is busy or slow.
_PATIENCE = float(os.environ.get("PATIENCE") or 1)
START_SECONDS = 180.0 * _PATIENCE  # a broker of a busy machine took a minute; one that ended is reported at once
STOP_SECONDS = 90.0 * _PATIENCE  # longer than any program's own stop time: the supervisor kills what overruns that
LOG_LINES = 15


class Stack:
    """The stack of one state directory (default: ``.writegate`` of the checkout that holds the working directory).

    ``settings`` are extra ``WRITEGATE_*`` variables for writers and services. Every method may raise
    :class:`StackError`. Several stacks on one machine do not meet.
    """

    def __init__(self, directory: Path | None = None, *, settings: Mapping[str, str] | None = None) -> None:
        self.home: Home = locate(find_checkout(Path.cwd()), directory)
        self._settings = dict(settings or {})
        self._apps = tuple(apps(self.home.checkout))
        self._supervisor = Supervisor(self.home)

    @property
    def programs(self) -> tuple[str, ...]:
        """The names of all programs that it can run."""
        return (*SERVERS, *WRITERS, *self._apps)

    @property
    def state(self) -> StackState:
        """Ports, settings and passwords of this stack."""
        return read_state(self.home)

    def up(self, programs: Iterable[str] | None = None, *, apply: bool = True) -> None:
        """Start the servers, apply, then start ``programs`` (default: all; empty: none); return when all answer.

        Harmless when they run already.
        """
        wanted = self._known(self.programs if programs is None else programs)
        create(self.home)
        with self._locked():
            running = self._supervisor.programs()
            if running is None:
                self._start_supervisor()
            elif new := [name for name in wanted if name not in running]:
                raise StackError(f"{', '.join(new)} is new since this stack was started: `make down`, then `make up`")
            self.start(*SERVERS)
            database.bootstrap(self.home, self.state)
            if apply:
                self._apply()
            # Writers first: a service is ready when its commands have somewhere to go.
            self.start(*(name for name in WRITERS if name in wanted))
            if CONSOLE in wanted:
                self._add_console_user()
            self.start(*(name for name in self._apps if name in wanted))

    def down(self, *, wipe: bool = False) -> None:
        """Stop everything and leave no process behind. The data stays, unless ``wipe``."""
        if not self.home.state.is_dir():
            return
        with self._locked():
            running = self._supervisor.programs()
            if running is not None:
                # Services first, so that nothing is published any more. Then the writers, which need broker and
                # database to finish what they hold. Then the broker, which has no connections left, and the database.
                apps_running = tuple(name for name in self._apps if name in running)
                for names in (apps_running, WRITERS, ("rabbitmq",), ("postgres", "epmd")):
                    if wipe and "rabbitmq" in names:
                        self._end_broker()
                    self.stop(*names)
                self._supervisor.shut_down()
                wait_until(lambda: not orphans.find(self.home), STOP_SECONDS)
            orphans.stop(self.home)
            # A supervisor that was killed leaves its socket.
            for name in ("supervisor.sock", "supervisord.pid"):
                (self.home.run / name).unlink(missing_ok=True)
        if wipe:
            shutil.rmtree(self.home.state)
            shutil.rmtree(self.home.named, ignore_errors=True)

    def start(self, *names: str) -> None:
        """Start programs that are down, and return when each answers."""
        for name in self._known(names):
            self._supervisor.start_program(name)
        for name in names:
            self.wait_ready(name)

    def stop(self, *names: str) -> None:
        """Stop programs with their own stop signal; return when they have ended."""
        for name in self._known(names):
            self._supervisor.stop_program(name)
        if not wait_until(lambda: not any(self.pid(name) for name in names), STOP_SECONDS):
            late = ", ".join(name for name in names if self.pid(name))
            raise StackError(f"{late} did not stop within {STOP_SECONDS:.0f} s: see {self.home.logs}")

    def restart(self, name: str) -> None:
        """Stop and start one program; return when it answers."""
        self.stop(name)
        self.start(name)

    def kill(self, name: str, number: int) -> int:
        """Send a signal to a running program; return its process id.

        The supervisor restarts a program that ends: :meth:`wait_ready` with ``other_than`` waits for that.
        """
        pid = self.pid(name)
        if not pid:
            raise StackError(f"{name} does not run: expected a running program to send signal {number} to")
        os.kill(pid, number)
        return pid

    def pid(self, name: str) -> int:
        """Return a program's process id, 0 when it does not run."""
        (name,) = self._known((name,))
        running = self.running().get(name)
        return running.pid if running else 0

    def running(self) -> dict[str, Running]:
        """Return the state of each program by name, from the supervisor; empty when the stack is down."""
        return self._supervisor.programs() or {}

    def ready(self, name: str) -> bool:
        """Whether a program answers: servers by accepting a login, writers and services on ``/readyz``."""
        return answers(name, self.home, self.state)

    def wait_ready(self, name: str, deadline_seconds: float = START_SECONDS, *, other_than: int = 0) -> None:
        """Wait until the program answers, or its successor when ``other_than`` is the process that was killed.

        Raises :class:`StackError` with its last log lines when it ends instead, or after ``deadline_seconds``.
        """

        def ended() -> bool:
            running = self.running().get(name)
            # After a crash the first attempt may well fail: PostgreSQL waits until its killed sessions are gone.
            return running is None or (running.failed and not other_than)

        def settled() -> bool:
            return ended() or (self.pid(name) not in {0, other_than} and self.ready(name))

        in_time = wait_until(settled, deadline_seconds)
        if ended() or not in_time:
            what = "ended" if ended() else f"was not ready within {deadline_seconds:.0f} s"
            raise StackError(f"{name} {what}. {self._last_lines(name)}")

    def environment(self, name: str) -> dict[str, str]:
        """Return the settings of a process: ``owner``, ``writer``, ``reader``, or a program or service by name."""
        return environments.environment(name, with_passwords(self.home, environments.users()))

    def log(self, name: str) -> Path:
        """Return the file with a program's output."""
        return self.home.logs / f"{name}.log"

    def declared(self) -> list[Program]:
        """Return the programs as they are configured now."""
        state = self.state
        servers = [*broker.programs(self.home, state), database.program(self.home, state)]
        return [*servers, *writers_and_apps(self.home, state)]

    def _start_supervisor(self) -> None:
        orphans.stop(self.home)
        state = renew(
            self.home,
            port_names=(*PORTS, *self._apps),
            users=(*environments.users(), CONSOLE_USER),
            settings=self._settings,
        )
        broker.prepare(self.home, state)
        database.prepare(self.home, state)
        self._supervisor.start(self.declared())

    def _end_broker(self) -> None:
        """Kill the node: a clean end takes five seconds, and its data is deleted anyway."""
        pid = self.pid("rabbitmq")
        self._supervisor.stop_program("rabbitmq")  # so that it is not started again
        if pid:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _apply(self) -> None:
        outside = {name: value for name, value in os.environ.items() if not name.startswith("WRITEGATE_")}
        done = subprocess.run(
            [sys.executable, "-m", "writegate", "apply", "--yes"],
            env={**outside, **self.environment("owner")},
            cwd=self.home.checkout, capture_output=True, text=True, check=False,
        )  # fmt: skip
        self.log("apply").touch(mode=0o600)
        self.log("apply").write_text(done.stdout + done.stderr)
        if done.returncode:
            raise StackError(f"`writegate apply` failed. {self._last_lines('apply')}")

    def _add_console_user(self) -> None:
        """Create the console's first user, unless there is a file of users already."""
        users = console_users(self.home)
        if users.exists():
            return
        done = subprocess.run(
            [sys.executable, "-m", "writegate", "console", "user", "add", CONSOLE_USER, "--role", "operator"],
            env={**os.environ, "WRITEGATE_CONSOLE_USERS": str(users)}, input=self.state.passwords[CONSOLE_USER],
            cwd=self.home.checkout, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise StackError(f"the console's first user could not be made: {done.stderr.strip()}")

    def _last_lines(self, name: str) -> str:
        try:
            lines = self.log(name).read_text(errors="replace").splitlines()
        except FileNotFoundError:
            lines = ["(no such file)"]
        return "\n  ".join([f"The last lines of {self.log(name)}:", *lines[-LOG_LINES:]])

    def _known(self, names: Iterable[str]) -> tuple[str, ...]:
        wanted = tuple(names)
        for name in wanted:
            if name not in self.programs:
                raise StackError(f"no program named {name!r}: expected some of {', '.join(self.programs)}")
        return wanted

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Exclude other processes that bring this stack up or down at the same time."""
        lock = self.home.state / "lock"
        lock.touch(mode=0o600)  # whoever can open it can lock it
        with lock.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
