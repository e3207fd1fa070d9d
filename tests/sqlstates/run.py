"""Raising SQLSTATEs against a live gate, and what became of the commands beside them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Final

from tests.deadlines import patient
from tests.integration.gate import Gate, gate_running
from tests.integration.operator_shell import OperatorShell
from tests.servers import Servers
from tests.sqlstates.cases import Case
from tests.sqlstates.services.refusing.contract import Note, Put
from writegate import Command
from writegate_devkit.stack.readiness import wait_until
from writegate_writer.decide.deferral import ACCUSED_WAIT_SECONDS

SERVICE: Final = "refusing"
BESIDE: Final = 499  # commands beside the one that is refused
OTHERS: Final = 20  # commands of another type of the same tables
LONGEST_STOP_SECONDS: Final = patient(10)
_SETTLED_SECONDS: Final = patient(90)
_numbers = count()


@dataclass(frozen=True)
class Tried:
    """What came of a case. ``seconds``: until all that was not refused was applied; ``missed``: what was wrong."""

    name: str
    seconds: float
    missed: str = ""


@contextmanager
def refusing_gate(servers: Servers) -> Iterator[Gate]:
    """Run a gate with the service that refuses, and one writer."""
    with gate_running(servers, "gate_sqlstates", services=Path(__file__).parent / "services") as gate:
        writer = gate.writers.start(wait=False)
        gate.wait(lambda: SERVICE in writer.serving(), f"{writer.name} serves")
        yield gate


def one_among_many(gate: Gate, case: Case) -> tuple[Tried, Command]:
    """Refuse one command among many of its type; return that too, which is to be parked."""
    name = f"{case.name} {next(_numbers)}"
    good: list[Command] = [Put(account=f"{name} {number}") for number in range(BESIDE)]
    bad = Put(account=f"{name} bad", how=case.how, sqlstate=case.sqlstate)
    position = next(_numbers) * 137 % BESIDE
    commands = [*good[:position], bad, *good[position:], *(Note(account=f"{name} n{n}") for n in range(OTHERS))]
    return applied_in_time(gate, f"one: {case.name}", commands, f"{name} %", BESIDE + OTHERS), bad


def applied_in_time(gate: Gate, name: str, commands: Iterable[Command], like: str, expected: int) -> Tried:
    """Publish commands; as many as are expected must be applied within the time that finding out may take."""
    began = time.monotonic()
    gate.broker.publish(commands, SERVICE)
    applied = wait_applied(gate, like, expected, LONGEST_STOP_SECONDS)
    seconds = time.monotonic() - began
    missed = "" if applied == expected else f"{applied} of {expected} were applied after {seconds:.1f} s"
    return Tried(name, seconds, missed)


def wait_applied(gate: Gate, like: str, expected: int, seconds: float) -> int:
    """Wait until so many rows of these accounts are there; return how many are."""
    query = "SELECT count(*) FROM refusing.entry WHERE account LIKE %s"
    wait_until(lambda: gate.database.value(query, [like]) >= expected, seconds)
    return int(gate.database.value(query, [like]))


def parked_alone(gate: Gate, refused: Sequence[tuple[Case, Command]]) -> Iterator[Tried]:
    """Each of these must be parked with its cause in the end, and nothing else."""
    query = "SELECT id, cause FROM writegate.parked WHERE service = %s"
    waits = any(case.passes for case, _ in refused)

    def causes() -> dict[str, str]:
        return dict(gate.database.sql(query, [SERVICE]))

    wait_until(lambda: len(causes()) >= len(refused), _SETTLED_SECONDS + waits * ACCUSED_WAIT_SECONDS)
    found = causes()
    for case, command in refused:
        cause = found.pop(command.command_id, "nothing")
        expected = f"sqlstate-{case.sqlstate}"
        yield Tried(f"parked: {case.name}", 0.0, "" if cause == expected else f"{cause}, expected {expected}")
    yield Tried("nothing else is parked", 0.0, str(found) if found else "")


def all_of_a_type(gate: Gate, case: Case, commands: int = 50) -> Tried:
    """Refuse every command of a type: the other type goes on, nothing is parked, and all is applied afterwards.

    A type of several commands is held; a single one waits alone. `writegate status` says why, and what to do.
    """
    name, before = f"all {case.name} {next(_numbers)}", parked_count(gate)
    gate.database.sql("INSERT INTO refusing.refused VALUES (%s)", [case.sqlstate])
    puts = [Put(account=f"{name} p{number}") for number in range(commands)]
    notes = [Note(account=f"{name} n{number}") for number in range(OTHERS)]
    kind = "all" if commands > 1 else "the only one"
    tried = applied_in_time(gate, f"{kind}: {case.name}", [*puts, *notes], f"{name} n%", OTHERS)
    missed = tried.missed + (wait_shown(gate, case, puts) if commands > 1 else wait_shown_alone(gate, case, puts[0]))
    gate.database.sql("DELETE FROM refusing.refused")
    applied = wait_applied(gate, f"{name} %", commands + OTHERS, _SETTLED_SECONDS)
    if applied != commands + OTHERS:
        missed += f" {applied} of {commands + OTHERS} were applied in the end"
    if parked_count(gate) != before:
        missed += f" {parked_count(gate) - before} were parked"
    return Tried(tried.name, tried.seconds, missed)


def wait_shown(gate: Gate, case: Case, commands: Sequence[Command]) -> str:
    """Return what `writegate status` does not show of the held type: cause, a command of it, what to do."""
    found: list[str] = []

    def shown() -> bool:
        found[:] = [f"{hold['target']}: {hold['reason']}" for hold in status(gate)["holds"]]  # none while it is tried
        texts = [text for text in found if text.startswith(f"refusing.put: {case.sqlstate}: ")]
        return any(command.command_id in text and "; correct its " in text for text in texts for command in commands)

    return "" if wait_until(shown, LONGEST_STOP_SECONDS) else f" shown as held: {found}"


def wait_shown_alone(gate: Gate, case: Case, command: Command) -> str:
    """Return what `writegate status` does not show of a command that waits alone."""
    found: dict[str, list[dict[str, Any]]] = {}

    def shown() -> bool:
        found.update(status(gate))
        reasons = [row["reason"] for row in found["deferred"] if row["command"] == command.command_id]
        return any(text.startswith(f"{case.sqlstate}: ") and ": correct the cause, or park" in text for text in reasons)

    return "" if wait_until(shown, LONGEST_STOP_SECONDS) and not found["holds"] else f" shown: {found}"


def status(gate: Gate) -> dict[str, list[dict[str, Any]]]:
    """Return what `writegate status` shows."""
    settings = {"WRITEGATE_DATABASE_URL": gate.servers.database_url("writegate_reader", gate.name)}
    settings["WRITEGATE_BROKER_URL"] = gate.servers.broker_url(vhost=gate.name)
    done = OperatorShell(lambda: settings).run("status", "--json")
    return {name: rows for name, rows in json.loads(done.stdout).items() if name in {"holds", "deferred", "stopped"}}


def nothing_parked_for(gate: Gate, name: str, fault: Callable[[Gate, Callable[[], None]], None]) -> Tried:
    """Have a fault of the database while commands come: none is parked, all are applied."""
    account, before, published = f"{name} {next(_numbers)}", parked_count(gate), 0

    def publish() -> None:
        nonlocal published
        gate.broker.publish([Put(account=f"{account} {published} {n}") for n in range(10)], SERVICE)
        gate.broker.publish([Note(account=f"{account} {published} {n}") for n in range(10)], SERVICE)
        published += 20

    publish()
    fault(gate, publish)
    began = time.monotonic()
    publish()
    applied = wait_applied(gate, f"{account} %", published, _SETTLED_SECONDS)
    missed = "" if applied == published else f"{applied} of {published} were applied"
    if parked_count(gate) != before:
        missed += f" {parked_count(gate) - before} were parked"
    return Tried(f"the database's: {name}", time.monotonic() - began, missed)


def parked_count(gate: Gate) -> int:
    """How many commands are parked."""
    return int(gate.database.value("SELECT count(*) FROM writegate.parked WHERE service = %s", [SERVICE]))
