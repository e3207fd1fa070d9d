"""What the stack runs: a program is a command with its settings, its user and how it is stopped."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from writegate.stack.environment import ADDRESS, CONSOLE, EXAMPLES, FEED, environment
from writegate.stack.home import Home
from writegate.stack.memory import Memory

SERVERS = ("epmd", "rabbitmq", "postgres")
WRITERS = ("writer-1", "writer-2")
SERVICES = (*EXAMPLES, FEED, CONSOLE)
BASELINE = "build/baseline.json"  # what the demo measured without the gate: the console compares with it
FEED_RATE = 50.0  # commands a second: something to see on a machine that does other things too
PORTS = (*SERVERS, "management", "distribution", *WRITERS, *SERVICES)


@dataclass(frozen=True)
class Program:
    """One supervised process. ``user`` is the one it runs as when root starts the stack; None: whoever starts it."""

    name: str
    command: tuple[str, ...]
    address: str
    environment: Mapping[str, str]
    directory: Path
    priority: int
    user: str | None = None
    stop_signal: str = "TERM"
    stop_seconds: int = 20


def writers_and_services(home: Home, memory: Memory) -> list[Program]:
    """Return the programs of this project, run by this interpreter in the checkout."""
    return [
        Program(
            name,
            (sys.executable, "-m", *_arguments(name, home, str(memory.ports[name]))),
            address=f"http://{ADDRESS}:{memory.ports[name]}",
            environment={**environment(name, memory), **_files(name, home)},
            directory=home.checkout,
            priority=30 if name in WRITERS else 40,
        )
        for name in (*WRITERS, *SERVICES)
    ]


def console_users(home: Home) -> Path:
    """Return the file of those who may log in to the console."""
    return home.state / "console-users.json"


def _files(name: str, home: Home) -> dict[str, str]:
    if name != CONSOLE:
        return {}
    baseline = home.checkout / BASELINE
    more = {"WRITEGATE_CONSOLE_BASELINE": str(baseline)} if baseline.exists() else {}
    return {"WRITEGATE_CONSOLE_USERS": str(console_users(home)), **more}


def _arguments(name: str, home: Home, port: str) -> tuple[str, ...]:
    if name in WRITERS:
        return ("celery", "-A", "writegate_writer.app", "worker", "--hostname", f"{name}@%h", "--loglevel", "INFO")
    if name == "flights":
        return ("uvicorn", "flights.app:app", "--host", ADDRESS, "--port", port, "--no-access-log")
    if name == "fleet":
        # One process with threads: a publisher belongs to one process. gunicorn's control socket would be shared
        # by every gunicorn of this user.
        one = ("--workers", "1", "--threads", "8", "--no-control-socket")
        return ("gunicorn", "fleet.wsgi:application", "--bind", f"{ADDRESS}:{port}", *one)
    if name == FEED:
        # It goes on where it was: a flight departs once.
        return ("flights", "follow", "--rate", str(FEED_RATE), "--position", str(home.state / "feed-position"))
    if name == CONSOLE:
        return ("writegate", "console")
    return (name, "follow")
