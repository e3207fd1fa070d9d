"""The programs of a stack: each is a command with its settings, its user and its stop signal."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from configparser import ConfigParser
from dataclasses import dataclass, field
from pathlib import Path

from writegate_devkit.stack.environment import (
    ADDRESS,
    CONSOLE,
    CONSOLE_USER,
    FEED,
    PROCESSES,
    USERS,
    environment,
    services,
)
from writegate_devkit.stack.home import Home
from writegate_devkit.stack.stack_state import StackState

SERVERS = ("epmd", "rabbitmq", "postgres")
WRITERS = ("writer-1", "writer-2")
LOGS = ("apply", "supervisord")  # besides one for each program
BASELINE = "build/baseline.json"  # what the demo measured without the gate: the console compares with it
PORTS = (*SERVERS, "management", "distribution", *WRITERS)  # and one for each app
# A feed, so that the console has something to show; slow enough for a machine that does other work. After a restart it
# continues where it was, since a flight departs once.
_FEED = "%(ENV_WRITEGATE_BIN)s/python -m flights follow --rate 50 --position %(ENV_WRITEGATE_STATE)s/feed-position"


@dataclass(frozen=True)
class Program:
    """One supervised process. ``user`` is the one it runs as when root starts the stack; None: whoever starts it."""

    name: str
    command: tuple[str, ...]
    address: str
    environment: Mapping[str, str] = field(repr=False)  # it holds passwords
    directory: Path
    priority: int
    user: str | None = None
    stop_signal: str = "TERM"
    stop_seconds: int = 20


def apps(checkout: Path) -> dict[str, str]:
    """Return the command line of each installed service's app and of the console, as ``deploy/supervisor`` runs them.

    They are in the order of that file and of those it includes; the feed of the example comes last, where flights is
    installed. The lines still contain supervisord's placeholders.
    """
    configuration = ConfigParser(interpolation=None)
    files = [checkout / "deploy/supervisor/writegate.conf", *sorted(checkout.glob("services/*/supervisor.conf"))]
    configuration.read(files, encoding="utf-8")
    named = ((section.partition(":")[2], section) for section in configuration.sections())
    installed = {*services(), CONSOLE}
    found = {name: configuration[section]["command"] for name, section in named if name in installed}
    return found | ({FEED: _FEED} if "flights" in installed else {})


def reserved_names() -> frozenset[str]:
    """Return what no service may be called: programs, ports, users and logs of a stack are told apart by name."""
    return frozenset({*PORTS, *PROCESSES, *USERS, CONSOLE_USER, *LOGS})


def writers_and_apps(home: Home, state: StackState) -> list[Program]:
    """Return the programs of this project, run by this interpreter in the checkout.

    An app without a port was installed after the stack was started: it is left out.
    """
    lines = {name: _writer(name) for name in WRITERS} | {
        name: _app(name, line, home, str(state.ports[name]))
        for name, line in apps(home.checkout).items()
        if name in state.ports
    }
    return [
        Program(
            name,
            line,
            address=f"http://{ADDRESS}:{state.ports[name]}",
            environment={**environment(name, state), **_files(name, home)},
            directory=home.checkout,
            priority=30 if name in WRITERS else 40,
        )
        for name, line in lines.items()
    ]


def console_users(home: Home) -> Path:
    """Return the file of the users who may log in to the console."""
    return home.state / "console-users.json"


def _files(name: str, home: Home) -> dict[str, str]:
    if name != CONSOLE:
        return {}
    baseline = home.checkout / BASELINE
    more = {"WRITEGATE_CONSOLE_BASELINE": str(baseline)} if baseline.exists() else {}
    return {"WRITEGATE_CONSOLE_USERS": str(console_users(home)), **more}


def _writer(name: str) -> tuple[str, ...]:
    celery = (sys.executable, "-m", "celery", "-A", "writegate_writer.app")
    return (*celery, "worker", "--hostname", f"{name}@%h", "--loglevel", "INFO")


def _app(name: str, line: str, home: Home, port: str) -> tuple[str, ...]:
    inserted = {
        "WRITEGATE_BIN": shlex.quote(str(Path(sys.executable).parent)),
        "WRITEGATE_STATE": shlex.quote(str(home.state)),
        f"PORT_{name.upper()}": port,
    }
    for variable, value in inserted.items():
        line = line.replace(f"%(ENV_{variable})s", value)
    return tuple(shlex.split(line))
