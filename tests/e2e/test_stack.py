"""The local stack with real servers: up, down, deaths, neighbours, and nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pika
import psycopg2
import pytest

from tests.deadlines import patient
from writegate_devkit.stack import Stack, StackError, orphans
from writegate_devkit.stack.programs import apps
from writegate_devkit.stack.readiness import wait_until

CHECKOUT = Path(__file__).parents[2]
Make = Callable[[str], Stack]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Make stacks that are gone after the test, whatever happened."""
    made: list[Stack] = []

    def stack(name: str) -> Stack:
        made.append(Stack(tmp_path / name))
        return made[-1]

    yield stack
    for one in made:
        one.down(wipe=True)
        assert not one.home.state.exists()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One stack for the tests that need no more: to start a broker takes four seconds of CPU."""
    stack = Stack(tmp_path_factory.mktemp("shared") / "state")
    yield stack
    stack.down(wipe=True)
    assert not stack.home.state.exists()


@pytest.fixture
def stack(shared: Stack) -> Stack:
    """The same with its servers up, whatever the test before did to them."""
    shared.up((), apply=False)
    return shared


def command(*arguments: str, stack: Stack) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "writegate", "stack", *arguments, "--state", str(stack.home.named)]
    return subprocess.run(line, cwd=CHECKOUT, capture_output=True, text=True, check=False)


def listening(pids: set[int]) -> list[str]:
    """Return the addresses these processes listen on, as Linux has them: 0100007F is 127.0.0.1."""
    sockets = set()
    for pid in pids:
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            target = str(entry.readlink())
            if target.startswith("socket:["):
                sockets.add(target.removeprefix("socket:[").rstrip("]"))
    rows = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    return [row[1].split(":")[0] for row in rows if row[3] == "0A" and row[9] in sockets]


def test_servers_come_up_stay_up_and_go_down_without_a_trace(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    pids = {name: stack.pid(name) for name in stack.programs}
    assert all(pids[name] for name in ("epmd", "rabbitmq", "postgres"))

    again = command("up", "--only", "servers", "--no-apply", stack=stack)
    assert again.returncode == 0, again.stderr
    assert {name: stack.pid(name) for name in stack.programs} == pids

    # An app that was added since is not started by halves: it has neither a port nor a writer that knows it.
    with monkeypatch.context() as patch:
        patch.setattr("writegate_devkit.stack.stack.apps", lambda checkout: {**apps(checkout), "later": "later"})
        newer = Stack(stack.home.named)
    with pytest.raises(StackError, match="later is new since this stack was started: `make down`, then `make up`"):
        newer.up(apply=False)
    assert {name: stack.pid(name) for name in stack.programs} == pids

    loopback = {"0100007F", "00000000000000000000000001000000", "0000000000000000FFFF00000100007F"}
    addresses = listening(set(pids.values()) - {0})
    assert len(addresses) >= 5
    assert set(addresses) <= loopback

    assert open_to_others(stack) == []

    partly = command("status", "--json", stack=stack)
    assert partly.returncode == 3
    states = {row["program"]: row["state"] for row in json.loads(partly.stdout)["programs"]}
    assert states == {name: "ready" if pids[name] else "stopped" for name in stack.programs}

    ports = stack.state.ports
    with psycopg2.connect(stack.environment("owner")["WRITEGATE_DATABASE_URL"]) as connection:
        connection.cursor().execute("CREATE TABLE kept (x int)")
    connection.close()
    assert command("down", stack=stack).returncode == 0
    assert not orphans.find(stack.home)
    assert not list(stack.home.run.glob("*.sock"))
    assert not any(listens(port) for port in ports.values())

    stack.up((), apply=False)
    assert stack.state.ports == ports
    with psycopg2.connect(stack.environment("owner")["WRITEGATE_DATABASE_URL"]) as connection:
        connection.cursor().execute("TABLE kept")
    connection.close()


def open_to_others(stack: Stack) -> list[str]:
    """Return what other users could read or write: files, and directories, through which they may pass."""
    found = [path for path in stack.home.state.rglob("*") if not path.is_symlink()]
    files = [path for path in found if path.is_file() and path.stat().st_mode & 0o077]
    return [str(path) for path in files + [path for path in found if path.is_dir() and path.stat().st_mode & 0o066]]


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_two_stacks_live_side_by_side(stack: Stack, make: Make) -> None:
    one, other = stack, make("other")
    other.up((), apply=False)
    assert not set(one.state.ports.values()) & set(other.state.ports.values())
    one.down()
    assert other.ready("rabbitmq")
    assert other.ready("postgres")
    # While `one` was down somebody else took a port of its.
    taken = one.state.ports["rabbitmq"]
    with socket.create_server(("127.0.0.1", taken)):
        one.up((), apply=False)
        assert one.state.ports["rabbitmq"] != taken
        assert one.ready("rabbitmq")


def test_servers_that_die_come_back_with_their_data(stack: Stack) -> None:
    url = stack.environment("owner")["WRITEGATE_BROKER_URL"]
    with pika.BlockingConnection(pika.URLParameters(url)) as broker:
        channel = broker.channel()
        channel.confirm_delivery()
        channel.queue_declare("kept", durable=True, arguments={"x-queue-type": "quorum"})
        channel.basic_publish("", "kept", b"body", mandatory=True)
    # RabbitMQ writes a new queue's name down only half a second later: killed before, it is up again without a leader.
    names = stack.home.state / "rabbitmq/mnesia"
    assert wait_until(lambda: any(b"kept" in file.read_bytes() for file in names.rglob("names.dets")), patient(10))
    for name in ("rabbitmq", "postgres"):
        stack.wait_ready(name, other_than=stack.kill(name, signal.SIGKILL))
    with pika.BlockingConnection(pika.URLParameters(url)) as broker:
        assert broker.channel().basic_get("kept", auto_ack=True)[2] == b"body"


def test_down_ends_what_a_killed_supervisor_left(stack: Stack) -> None:
    left = {stack.pid(name) for name in ("epmd", "rabbitmq", "postgres")}
    supervisor = int((stack.home.run / "supervisord.pid").read_text())
    os.kill(supervisor, signal.SIGKILL)
    assert wait_until(lambda: not stack.running(), patient(5))
    assert left <= set(orphans.find(stack.home))
    assert command("down", stack=stack).returncode == 0
    assert not orphans.find(stack.home)
    stack.up((), apply=False)  # and its data is whole


def test_a_server_that_cannot_start_is_reported_with_its_log(stack: Stack) -> None:
    stack.down()
    (stack.home.state / "postgres/global/pg_control").unlink()
    with pytest.raises(StackError, match=r"postgres ended. The last lines of [^\n]*postgres.log:\n +\S"):
        stack.up((), apply=False)
    stack.down(wipe=True)  # nothing can start from it any more


def test_everything_comes_up_ready_and_a_dead_writer_comes_back(make: Make) -> None:
    stack = make("state")
    up = command("up", stack=stack)
    assert up.returncode == 0, up.stderr
    status = command("status", stack=stack)
    assert status.returncode == 0, status.stdout
    assert str(stack.home.state) in status.stdout
    stack.wait_ready("writer-1", other_than=stack.kill("writer-1", signal.SIGKILL))
    assert all(stack.log(name).stat().st_size for name in ("rabbitmq", "postgres", "writer-1", "flights", "apply"))
    assert open_to_others(stack) == []
    stack.down()
    assert not orphans.find(stack.home)
