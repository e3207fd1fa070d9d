"""Another number of lanes under load, by the way that `plan` prints: nothing is lost, doubled or out of order."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.deadlines import patient
from tests.integration.gate import CHECKOUT, PATIENCE_SECONDS, SERVICES, Gate, gate_running
from tests.integration.restarted_publisher import ACCOUNTS, EMITTED, account
from tests.integration.writer_processes import WriterProcess
from tests.servers import OWNER, Servers

NAMES = ("trial", "shards")
WRITERS = ("writer-1", "writer-2")


@pytest.fixture
def gate(servers: Servers, tmp_path: Path) -> Iterator[Gate]:
    settings = {"WRITEGATE_SPOOL_DIRECTORY": str(tmp_path / "spool"), **declared(1)}
    with gate_running(servers, "gate_switch", connections=6, services=SERVICES, **settings) as running:
        yield running


def declared(lanes: int) -> dict[str, str]:
    """Return the settings with which the services declare so many lanes."""
    return {f"{service.upper()}_LANES": str(lanes) for service in NAMES}


class Publishers:
    """A publisher of each service; the numbers of what they publish go on when they are restarted."""

    def __init__(self, gate: Gate, directory: Path, services: Sequence[str] = NAMES) -> None:
        self._gate = gate
        self._accepted = {service: directory / service for service in services}
        self._running: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Publishers:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start them with today's settings."""
        for service, accepted in self._accepted.items():
            command = [sys.executable, "-m", "tests.integration.restarted_publisher", service, str(accepted)]
            self._running.append(
                subprocess.Popen(command, env=self._gate.environment(service, PYTHONPATH=str(CHECKOUT)), cwd=CHECKOUT)
            )

    def stop(self) -> None:
        """End them in order."""
        for process in self._running:
            process.send_signal(signal.SIGTERM)
        codes = [process.wait(PATIENCE_SECONDS) for process in self._running]
        self._running.clear()
        assert set(codes) == {0}

    def restart(self) -> None:
        """Deploy them anew."""
        self.stop()
        self.start()

    def accepted(self, service: str) -> int:
        """Return how many commands of each account were accepted."""
        path = self._accepted[service]
        return int(path.read_text() or 0) if path.exists() else 0

    def wait_accepted(self, more: int = 20) -> None:
        """Wait until so many more are."""
        goals = {service: self.accepted(service) + more for service in self._accepted}
        self._gate.wait(
            lambda: all(self.accepted(service) >= goal for service, goal in goals.items()), "publishers publish"
        )

    def wait_applied(self) -> None:
        """Wait until all that were accepted so far are applied."""
        for service in self._accepted:
            for number in range(ACCOUNTS):
                self._gate.database.wait_entries(account(number), self.accepted(service), service=service)

    def check(self) -> None:
        """Each accepted command had its effect, once, in the order of its key."""
        for service in self._accepted:
            for number in range(ACCOUNTS):
                self._gate.database.assert_exactly_once(account(number), range(self.accepted(service)), service)


def apply(gate: Gate, *arguments: str, altered: str = "") -> subprocess.CompletedProcess[str]:
    """Run apply with what is declared now. ``altered``: statements to run before."""
    program = ["-c", f"{altered}\nfrom writegate.cli.main import main\nmain()"] if altered else ["-m", "writegate"]
    return subprocess.run(
        [sys.executable, *program, "apply", "--yes", *arguments],
        env=gate.environment(OWNER), cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=patient(200),
    )  # fmt: skip


def lanes(gate: Gate) -> dict[str, int]:
    """Return how many lanes the database has of each service."""
    query = "SELECT service, count(*)::int FROM writegate.lane WHERE service = ANY(%s) GROUP BY service"
    return dict(gate.database.sql(query, [[*NAMES]]))


def served(writer: WriterProcess, services: Sequence[str]) -> set[str]:
    """Return the domains of these services that a writer serves."""
    return {domain for domain in writer.serving() if domain.partition(".")[0] in services}


SWITCH = tuple(argument for service in NAMES for argument in ("--switch", service))


@pytest.mark.slow
def test_the_number_of_lanes_changes_under_load(gate: Gate, tmp_path: Path) -> None:
    for name in WRITERS:
        gate.writers.start(name, wait=False)
    with Publishers(gate, tmp_path) as publishers:
        publishers.wait_accepted()
        for number in (4, 2):
            gate.settings |= declared(number)
            first = apply(gate)
            assert first.returncode == 1, "the rest is refused"
            assert "`writegate apply --switch trial`" in first.stdout
            publishers.restart()
            publishers.wait_accepted()
            switched = apply(gate, *SWITCH)
            assert switched.returncode == 0, switched.stdout + switched.stderr
            assert "not restarted" not in switched.stdout
            assert lanes(gate) == dict.fromkeys(NAMES, number)
            publishers.wait_accepted()
            gate.wait(lambda: any("domain.other_lanes" in one.log for one in gate.writers.values()), "left alone")
            assert not any(served(one, NAMES) for one in gate.writers.values())
            for name in WRITERS:
                gate.writers.stop(name)
                gate.writers.start(name, wait=False)
            publishers.wait_applied()
    publishers.wait_applied()
    gate.database.wait_entries(EMITTED, publishers.accepted("trial"))
    publishers.check()
    gate.database.assert_exactly_once(EMITTED, range(publishers.accepted("trial")))
    assert (
        gate.database.sql("SELECT * FROM writegate.parked") == gate.database.sql("SELECT * FROM writegate.hold") == []
    )
    assert apply(gate).stdout == "nothing to change: broker and database are as declared\n"
    for service in NAMES:
        gate.assert_drained(service)
        assert set(gate.broker.ready_counts(service)) == {f"writes.{service}.{queue}" for queue in (0, 1, "dead")}


@pytest.mark.long
def test_a_publisher_that_is_restarted_while_it_is_shut_out_goes_on_in_order(gate: Gate, tmp_path: Path) -> None:
    """What it left in its spool, for lanes of another number, goes where its successor's commands go."""
    with Publishers(gate, tmp_path, ["trial"]) as publishers, gate.servers.broker_api() as api:
        publishers.wait_accepted()
        api.put("/user-limits/trial/max-connections", json={"value": 0}).raise_for_status()
        api.delete("/connections/username/trial").raise_for_status()
        publishers.wait_accepted(100)
        publishers.stop()
        gate.settings |= {"TRIAL_LANES": "4"}
        gate.writers.start(wait=False, TRIAL_LANES="1")
        switched = apply(gate, "--switch", "trial")
        assert switched.returncode == 0, switched.stdout + switched.stderr
        gate.writers.stop()
        publishers.start()
        publishers.wait_accepted(100)
        gate.writers.start(wait=False)
        publishers.wait_applied()
    publishers.wait_applied()
    publishers.check()
    assert gate.database.sql("SELECT * FROM writegate.parked") == []


def overtaken(gate: Gate) -> bool:
    """Whether commands of some account were applied in another order than they were published."""
    entries = gate.database.entries(*(account(number) for number in range(ACCOUNTS)))
    return any(booked != sorted(booked) for booked in entries.values())


@pytest.mark.slow
def test_lanes_that_do_not_run_empty_are_not_switched_and_would_be_overtaken(gate: Gate, tmp_path: Path) -> None:
    """No writer runs. The negative control switches all the same.

    ``--anyway``: the publishers are known to have the old number, once the broker has counted them.
    """
    with Publishers(gate, tmp_path, ["trial"]) as publishers:
        publishers.wait_accepted()
        gate.settings |= declared(4)
        refused = apply(gate, "--switch", "trial", "--timeout", "1", "--anyway")
        assert refused.returncode == 1
        assert "wait in writes.trial.0 (is a writer running?), still after 1 s. Nothing was changed" in refused.stderr
        assert lanes(gate)["trial"] == 1
        publishers.wait_accepted()  # let in again
        careless = "from writegate_writer.provision.switch import Switch\nSwitch._waiting = lambda self: None"
        switched = apply(gate, "--switch", "trial", "--anyway", altered=careless)
        assert switched.returncode == 1, "shards is refused"
        assert lanes(gate)["trial"] == 4, switched.stdout + switched.stderr
        publishers.restart()
        publishers.wait_accepted()
    gate.settings |= {"SHARDS_LANES": "1"}
    gate.writers.start(wait=False)
    publishers.wait_applied()
    assert overtaken(gate)


@pytest.mark.long
@pytest.mark.parametrize("altered", [None, "serves_lanes_apart"])
def test_a_writer_of_another_number_leaves_the_lanes_alone(gate: Gate, tmp_path: Path, altered: str | None) -> None:
    """Without that rule it forwards to the wrong lanes: its successor finds commands that go astray again."""
    gate.settings |= declared(4)
    apply(gate)
    switched = apply(gate, *SWITCH)
    assert switched.returncode == 0, switched.stdout + switched.stderr
    gate.database.sql(
        "INSERT INTO writegate.hold (target, reason, holder) VALUES ('trial.0', 'what comes there waits', 'test')"
    )
    old = gate.writers.start("writer-1", altered=altered, wait=False, **declared(1))
    ready = "domain.other_lanes" if altered is None else "lanes.held"
    gate.wait(lambda: ready in old.log, "it has found out")
    with Publishers(gate, tmp_path, ["trial"]) as publishers:
        publishers.wait_accepted()
    forwarded = [f"writes.trial.{lane}" for lane in (1, 2, 3)]
    if altered is not None:
        gate.wait(
            lambda: not any(gate.broker.ready_counts()[queue] for queue in forwarded), "it has forwarded what came"
        )
    gate.writers.stop("writer-1")
    gate.database.sql("DELETE FROM writegate.hold")
    gate.writers.start("writer-2", wait=False)
    second_hops = "SELECT count(*) FROM writegate.parked WHERE cause = 'second-hop'"
    if altered is None:
        publishers.wait_applied()
        publishers.check()
        assert gate.database.value(second_hops) == 0
    else:
        gate.wait(lambda: gate.database.value(second_hops) > 0, "its successor finds them")
