"""`writegate check` on a gate with commands parked and deferred, and a contract that is changed under them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import preloaded
from tests.deadlines import patient
from tests.integration.gate import SERVICES, Gate, gate_running
from tests.integration.gate_broker import send
from tests.servers import Servers
from tests.services.trial.contract import Choose, Deposit, trial
from writegate.contract.ids import new_id
from writegate.contract.lanes import lane_of
from writegate.message.envelope import Item, encode
from writegate.message.topology import queue_name

BAD = [Deposit(account="check", seq=seq, amount=-1) for seq in (1, 2)]
HELD = Choose(account="check-held", seq=1)
OLD = Item(new_id(), "trial.renamed", 1, "check-old", b'{"name":"check-old","seq":1}')


@pytest.fixture(scope="module")
def gate(servers: Servers) -> Iterator[Gate]:
    """Two deposits that the database refused, one parked for its id, a command that a hold defers, and an old one."""
    with gate_running(servers, "gate_check") as running:
        hold = "INSERT INTO writegate.hold (target, reason, holder) VALUES (%s, 'a test', 'me')"
        running.database.sql(hold, [f"trial key={HELD.account}"])
        running.writers.start()
        other = Deposit(account="check", seq=3).with_id(BAD[0].command_id)
        running.broker.publish([*BAD, HELD, other])
        running.wait(lambda: running.database.value("SELECT count(*) FROM writegate.parked") == 3, "3 parked")
        running.wait(lambda: running.database.value("SELECT count(*) FROM writegate.deferred") == 1, "1 deferred")
        # Applied, by way of two upgrades.
        with running.broker.channel() as channel:
            send(channel, queue_name("trial", lane_of("check-old", trial.lanes)), encode(OLD))
        running.wait(lambda: running.database.value("SELECT count(*) FROM writegate.recent") == 1, "it is noted")
        yield running


def changed(to: Path, old: str, new: str) -> Path:
    """Return a folder of services in which the contract of `trial` is another one."""
    shutil.copytree(SERVICES, to)
    contract = to / "trial/contract.py"
    text = contract.read_text()
    assert old in text
    contract.write_text(text.replace(old, new))
    return to


def check(gate: Gate, services: Path, *arguments: str) -> tuple[int, Any]:
    own = {
        "WRITEGATE_DATABASE_URL": gate.servers.database_url("writegate_reader", gate.name),
        "PYTHONPATH": str(services),
    }
    done = preloaded.run("writegate", "check", "--json", *arguments, env={**os.environ, **own}, timeout=patient(120))
    assert not done.stderr
    return done.returncode, json.loads(done.stdout)


def test_the_contracts_as_they_are_break_nothing_and_can_be_recorded(gate: Gate, tmp_path: Path) -> None:
    file = tmp_path / "released.json"
    code, told = check(gate, SERVICES, "--record", str(file))
    assert (code, told["kept"], told["findings"]) == (0, 4, [])
    assert {"trial", "flights"} <= set(told["services"])
    assert check(gate, SERVICES, "--released", str(file))[0] == 0


def test_what_the_broker_gave_up_is_read_as_well(gate: Gate) -> None:
    gate.database.sql(
        "INSERT INTO writegate.parked (service, lane, id, task, version, key, hash, cause, message, headers, raw) "
        "SELECT service, lane, 'dead-1', task, version, key, hash, 'dead-letter: delivery_limit', '', headers, raw "
        "FROM writegate.parked WHERE id = %s AND sqlstate IS NOT NULL",
        [BAD[0].command_id],
    )
    assert check(gate, SERVICES)[1]["kept"] == 5
    gate.database.sql("DELETE FROM writegate.parked WHERE id = 'dead-1'")
    assert check(gate, SERVICES)[1]["kept"] == 4


def test_a_narrower_field_breaks_what_is_parked(gate: Gate, tmp_path: Path) -> None:
    old = "    amount: int = 1\n"
    narrower = changed(tmp_path / "services", old, "    amount: Annotated[int, Field(ge=0)] = 1\n")
    contract = narrower / "trial/contract.py"
    contract.write_text(
        contract.read_text().replace(
            "from typing import Any", "from pydantic import Field\nfrom typing import Annotated, Any"
        )
    )
    code, told = check(gate, narrower, "--record", str(tmp_path / "released.json"))
    [found] = told["findings"]
    assert (code, found["where"], found["task"], found["version"]) == (2, "parked", "trial.deposit", 1)
    assert (found["rows"], found["first_id"]) == (2, BAD[0].command_id)
    assert "amount: Input should be greater than or equal to 0" in found["why"]
    assert not (tmp_path / "released.json").exists()  # what would break is not recorded


def test_a_field_that_is_gone_breaks_what_is_deferred_and_what_was_released(gate: Gate, tmp_path: Path) -> None:
    file = tmp_path / "released.json"
    check(gate, SERVICES, "--record", str(file))
    gone = changed(tmp_path / "services", "    reason: str | None = None\n", "    cause: str | None = None\n")
    code, told = check(gate, gone, "--released", str(file))
    released, deferred = told["findings"]
    assert (code, released["where"], released["task"]) == (2, "released", "trial.choose")
    assert released["why"] == "reason: it is gone, and what has it is refused"
    assert (deferred["where"], deferred["rows"], deferred["first_id"]) == ("deferred", 1, HELD.command_id)
    assert check(gate, gone, "--released", str(file), "--no-kept")[1]["findings"] == [released]


def test_an_upgrade_that_is_gone_breaks_what_was_applied_of_late(gate: Gate, tmp_path: Path) -> None:
    upgrade = """    @upgrades(from_=1)
    @staticmethod
    def to_account(fields: dict[str, Any]) -> dict[str, Any]:
        return {"account": fields.pop("name"), **fields}

"""
    code, told = check(gate, changed(tmp_path / "services", upgrade, ""))
    [found] = told["findings"]
    assert (code, found["where"], found["version"], found["first_id"]) == (2, "recent", 1, OLD.id)
    assert found["why"].startswith("expected version 2 of trial.renamed or later")


def test_what_was_not_seen_for_a_week_is_not_recent(gate: Gate) -> None:
    gate.database.sql("UPDATE writegate.recent SET seen_at = seen_at - interval '8 days'")
    assert check(gate, SERVICES)[1]["kept"] == 3
    gate.database.sql("UPDATE writegate.recent SET seen_at = seen_at + interval '8 days'")


def test_an_upgrade_that_takes_them_mends_it(gate: Gate, tmp_path: Path) -> None:
    mended = changed(
        tmp_path / "services",
        'class Choose(Command, key="account"):\n',
        'class Choose(Command, key="account", version=2):\n'
        "    @upgrades(from_=1)\n    @staticmethod\n    def rename(fields: dict[str, Any]) -> dict[str, Any]:\n"
        '        return {"cause": fields.pop("reason", None), **fields}\n\n',
    )
    contract = mended / "trial/contract.py"
    contract.write_text(contract.read_text().replace("    reason: str | None", "    cause: str | None"))
    assert check(gate, mended)[1]["findings"] == []


def test_a_database_that_does_not_answer_is_one_line() -> None:
    own = {"WRITEGATE_DATABASE_URL": "postgresql://u:hidden@127.0.0.1:1/x"}
    done = subprocess.run(
        [sys.executable, "-m", "writegate", "check"],
        env={**os.environ, **own}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, "hidden" in done.stderr, "Traceback" in done.stderr) == (1, False, False)
    assert "WRITEGATE_DATABASE_URL" in done.stderr
