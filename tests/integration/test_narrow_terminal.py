"""Every command that prints a table, on a terminal of 80 columns: no id, key or name is cut or broken."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from tests.deadlines import patient
from tests.integration.gate import Gate, gate_running
from tests.servers import OWNER, Servers
from tests.services.trial.contract import Deposit
from writegate.cli.main import GROUP, OWN

COLUMNS = 80
KEY = "an-account-with-a-key-that-fills-most-of-a-line-of-a-terminal"  # 61 characters
WITHOUT_TABLES = {"apply", "drain", "hold", "publish", "release", "service.new", "service.remove", "skip", "stack"}


@pytest.fixture(scope="module")
def gate(servers: Servers) -> Iterator[Gate]:
    with gate_running(servers, "gate_narrow") as running:
        running.writers.start()
        yield running
        running.database.sql("DELETE FROM writegate.hold")
        running.assert_drained()


@pytest.fixture(scope="module")
def ids(gate: Gate) -> dict[str, str]:
    """An applied command, a parked one and its number, and a row of every other kind that is shown."""
    with gate.broker.publisher() as publisher:
        applied = publisher.publish(Deposit(account=KEY, seq=0)).command_id
        parked = publisher.publish(Deposit(account=KEY, seq=1, amount=-1)).command_id
    gate.database.wait_entries(KEY, 1)
    gate.database.wait_parked(parked)
    number = gate.database.value("SELECT seq FROM writegate.parked WHERE id = %s", [parked])
    gate.database.sql(
        "INSERT INTO writegate.hold (target, reason, holder) VALUES (%s, %s, 'dba')",
        [f"flights key={KEY}", "a reason of some words " * 10],
    )
    other = f"{KEY}-too"
    gate.database.sql(
        "INSERT INTO writegate.hold (target, reason, holder) VALUES (%s, 'seen', 'dba')", [f"trial key={other}"]
    )
    query = "SELECT id::text FROM writegate.deferred WHERE key = %s ORDER BY seq LIMIT 1"

    def deferred() -> bool:
        # The writers obey within two seconds: what they apply before is not deferred.
        gate.broker.publish([Deposit(account=other, seq=0)])
        return bool(gate.database.sql(query, [other]))

    gate.wait(deferred, "a command is deferred")
    waiting = gate.database.value(query, [other])
    writer = gate.database.value("SELECT owner FROM writegate.domain WHERE name = 'trial'")
    return {
        "applied": applied,
        "parked": parked,
        "number": str(number),
        "writer": writer,
        "key": KEY,
        "deferred": waiting,
        "other": other,
    }


def on_terminal(arguments: list[str], settings: dict[str, str]) -> list[str]:
    """Run a command on a terminal; return its lines."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES", "NO_COLOR"}}
    with subprocess.Popen(
        [sys.executable, "-m", "writegate", *arguments],
        env={**environment, **settings}, stdin=theirs, stdout=theirs, stderr=theirs,
    ) as running:  # fmt: skip
        os.close(theirs)
        printed = b""
        while part := read_part(ours):
            printed += part
        running.wait(patient(60))
    os.close(ours)
    return re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", printed.decode()).replace("\r", "").splitlines()


def read_part(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError:  # how the kernel says that the other end is closed
        return b""


SHOWN = {
    "status": (["status"], ["trial", "writer", "key"]),
    "connections": (["connections"], []),
    "trace": (["trace", "{applied}"], ["writer"]),
    "who": (["who", "trial.balance", KEY], ["writer", "applied"]),
    "parked": (["parked", "list"], ["trial.deposit", "sqlstate-23514"]),
    "parked list --each": (["parked", "list", "--each"], ["parked", "key", "number"]),
    "parked show": (["parked", "show", "{number}"], ["parked", "key"]),
    "parked replay": (
        ["parked", "replay", "{number}", "--dry-run", "--reason", "seen"],
        ["number", "trial.deposit", "23514"],
    ),
    "deferred": (["deferred", "list"], ["trial.deposit"]),
    "deferred list --each": (["deferred", "list", "--each"], ["deferred", "other"]),
    "contracts": (["contracts"], ["fleet.log_flight", "flights.record_departure"]),
    "plan": (["plan"], ["trial.balance", "flights.airport_day"]),
    "check": (["check"], []),
    "console": (["console", "user", "list"], ["a-user-with-a-long-name@some.example.com"]),
}


@pytest.mark.parametrize("name", SHOWN)
def test_nothing_is_broken_at_80_columns(gate: Gate, ids: dict[str, str], name: str, tmp_path: Path) -> None:
    arguments, expected = SHOWN[name]
    users = tmp_path / "users.json"
    users.write_text('{"a-user-with-a-long-name@some.example.com": {"role": "reader", "hash": "x"}}')
    settings = gate.environment(OWNER) if name in {"plan", "check"} else gate.operator.settings()
    lines = on_terminal(
        [argument.format(**ids) for argument in arguments], {**settings, "WRITEGATE_CONSOLE_USERS": str(users)}
    )
    for word in expected:
        assert any(ids.get(word, word) in line for line in lines), (word, lines)
    # Longer is only a line with a value that does not fit beside its name: it is copied whole where the terminal wraps.
    wider = [line for line in lines if len(line) > COLUMNS and max(map(len, line.split()[1:])) <= COLUMNS - 30]
    assert wider == []


def test_every_command_with_a_table_is_among_them() -> None:
    commands = {command.name for command in (*OWN, *entry_points(group=GROUP))}
    assert commands - WITHOUT_TABLES <= {name.partition(" ")[0] for name in SHOWN}
