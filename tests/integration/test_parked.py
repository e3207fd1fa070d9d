"""Parked commands as an operator treats them, who has the reader role and a broker account, and no more."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.deadlines import patient
from tests.integration.gate import CHECKOUT, Gate, gate_running
from tests.integration.gate_broker import send
from tests.servers import Servers
from tests.services.trial.contract import Careful, Choose, Deposit, Spend, trial
from writegate import Command
from writegate.contract.lanes import lane_of
from writegate.message.envelope import Message, encode, item_of
from writegate.message.topology import dead_queue_name, queue_name

WHY = ("--reason", "a test")
SURE = (*WHY, "--yes", "--json")


@pytest.fixture(scope="module")
def gate(servers: Servers) -> Iterator[Gate]:
    with gate_running(servers, "gate_parked") as running:
        running.writers.start()
        yield running
        running.assert_drained()


def did(gate: Gate, *arguments: str, code: int = 0) -> Any:
    done = gate.operator.run("parked", *arguments)
    assert done.returncode == code, f"{arguments}: {done.stdout}{done.stderr}"
    return json.loads(done.stdout)


def number_of(gate: Gate, command: Command) -> int:
    gate.database.wait_parked(command.command_id)
    return int(gate.database.value("SELECT seq FROM writegate.parked WHERE id = %s", [command.command_id]))


def state_of(gate: Gate, command: Command) -> str:
    return str(gate.database.value("SELECT state FROM writegate.parked WHERE id = %s", [command.command_id]))


def parked_again(gate: Gate, command: Command) -> bool:
    query = "SELECT state FROM writegate.deferred WHERE id = %s"
    return state_of(gate, command) == "parked" and gate.database.sql(query, [command.command_id]) == [("parked",)]


def test_a_command_is_mended_and_replayed_ahead_of_what_waits_behind_it(gate: Gate) -> None:
    account = "mended"
    gate.broker.publish([Careful(account=account, seq=0), bad := Careful(account=account, seq=1, amount=-1)])
    number = number_of(gate, bad)
    gate.broker.publish([Careful(account=account, seq=2), Deposit(account=account, seq=3)])
    [group] = did(gate, "list", "--key", account, "--json")
    assert (group["service"], group["cause"], group["command"], group["count"], group["example"]) == (
        "trial", "sqlstate-23514", "trial.careful", 1, number,
    )  # fmt: skip
    [single] = did(gate, "list", "--each", "--text", f'"account":"{account}"', "--since", "1h", "--json")
    assert (single["number"], single["id"]) == (number, bad.command_id)
    assert did(gate, "list", "--key", account, "--before", "1h", "--json") == []
    assert "sqlstate-23514" in gate.operator.do("parked", "list", "--key", account)
    # As it is it would be parked again, and is.
    assert did(gate, "replay", str(number), *SURE) == {"done": 1, "skipped": {}}
    gate.wait(lambda: parked_again(gate, bad), "parked again")
    assert number_of(gate, bad) == number
    refused = gate.operator.run("parked", "edit", str(number), "--set", 'amount="many"', *WHY)
    assert (refused.returncode, "trial.careful version 1, amount" in refused.stderr) == (1, True), refused.stderr
    did(gate, "edit", str(number), "--set", "amount=5", *WHY, "--json")
    assert did(gate, "replay", "--key", account, *SURE) == {"done": 1, "skipped": {}}
    gate.database.wait_entries(account, 4)
    gate.wait(lambda: state_of(gate, bad) == "replayed", "replayed")
    assert gate.database.entries(account) == {account: [0, 1, 2, 3]}
    assert gate.database.value("SELECT amount FROM trial.entry WHERE account = %s AND seq = 1", [account]) == 5
    assert did(gate, "replay", "--key", account, *SURE, code=4) == {"done": 0, "skipped": {}}
    # It is known as applied now: the original message, delivered once more, is a duplicate.
    with gate.broker.channel() as channel:
        send(channel, queue_name("trial", lane_of(account, trial.lanes)), encode(item_of(bad)))
    gate.broker.publish([Deposit(account=account, seq=4)])
    gate.database.wait_entries(account, 5)
    assert gate.database.entries(account) == {account: [0, 1, 2, 3, 4]}
    [shown] = did(gate, "show", bad.command_id, "--json")
    assert [step["action"] for step in shown["history"]] == ["replay", "edit", "replay"]
    assert shown["history"][1]["changed"] == {"amount": ["-1", "5"]}
    assert (shown["fields"]["amount"], shown["state"]) == (5, "replayed")
    text = gate.operator.do("parked", "show", str(number))
    assert '"amount": 5' in text
    assert "edit by" in text
    told = [event["what"] for event in json.loads(gate.operator.do("trace", bad.command_id, "--json"))["events"]]
    assert [what for what in told if what.endswith("by people")] == [
        "replayed by people", "edited by people", "replayed by people",
    ]  # fmt: skip
    assert "applied" in told


def test_a_replayed_command_stays_behind_what_of_its_key_was_deferred_before_it(gate: Gate) -> None:
    account = "behind"
    gate.operator.do("hold", "trial.deposit", *WHY)
    gate.broker.publish([Deposit(account=account, seq=seq) for seq in range(3)])
    waits = "SELECT count(*) FROM writegate.deferred WHERE key = %s AND state = 'deferred'"
    gate.wait(lambda: gate.database.value(waits, [account]) == 3, "the deposits wait")
    item = item_of(bad := Choose(account=account, seq=3))
    with gate.broker.channel() as channel:
        fields = b'{"account":"behind","seq":"third"}'
        send(channel, queue_name("trial", lane_of(account, trial.lanes)), encode(replace(item, fields=fields)))
    number = number_of(gate, bad)
    gate.broker.publish([Choose(account=account, seq=4)])
    gate.wait(lambda: gate.database.value(waits, [account]) == 4, "what came later waits, too")
    did(gate, "edit", str(number), "--set", "seq=3", *WHY, "--json")
    did(gate, "replay", str(number), *SURE)
    gate.wait(lambda: gate.database.value(waits, [account]) == 5, "the replayed command waits with them")
    gate.operator.do("release", "trial.deposit")
    gate.database.wait_entries(account, 5)
    gate.database.assert_exactly_once(account, [0, 1, 2, 3, 4])


def test_a_dropped_command_lets_its_key_go_on(gate: Gate) -> None:
    account = "dropped"
    gate.broker.publish([bad := Careful(account=account, seq=0, amount=-1)])
    number = number_of(gate, bad)
    gate.broker.publish([Careful(account=account, seq=1), Deposit(account=account, seq=2)])
    asked = gate.operator.run("parked", "drop", str(number), *WHY)
    assert (asked.returncode, "Drop 1 of them?" in asked.stderr) == (2, True), asked.stderr  # nobody can answer
    assert state_of(gate, bad) == "parked"
    assert did(gate, "drop", str(number), *SURE) == {"done": 1, "skipped": {}}
    gate.database.wait_entries(account, 2)
    assert gate.database.entries(account) == {account: [1, 2]}
    assert state_of(gate, bad) == "dropped"
    assert did(gate, "drop", str(number), *SURE, code=4) == {"done": 0, "skipped": {}}


def test_a_replay_under_a_hold_waits_for_its_release(gate: Gate) -> None:
    account = "awaits"
    gate.broker.publish([bad := Choose(account=account, seq=0, reason="no")])
    number = number_of(gate, bad)
    gate.operator.do("hold", "trial", f"key={account}", *WHY)
    did(gate, "edit", str(number), "--set", "reason=null", *WHY, "--json")
    did(gate, "replay", str(number), *SURE)
    gate.broker.publish([Deposit(account=account, seq=1)])
    waits = "SELECT count(*) FROM writegate.deferred WHERE key = %s AND state = 'deferred'"
    gate.wait(lambda: gate.database.value(waits, [account]) == 2, "both wait")
    assert gate.database.entries(account) == {account: []}
    # A writer that comes anew finds it so.
    gate.writers.stop()
    gate.writers.start()
    gate.operator.do("release", "trial", f"key={account}")
    gate.database.wait_entries(account, 2)
    gate.database.assert_exactly_once(account, [0, 1])


def test_a_dry_run_tells_what_would_come_of_it_and_changes_nothing(gate: Gate) -> None:
    bad = [Deposit(account="dry", seq=0, amount=-1), Choose(account="dry", seq=1, reason="no")]
    gate.broker.publish(bad)
    numbers = [number_of(gate, one) for one in bad]
    did(gate, "edit", str(numbers[0]), "--set", "amount=7", *WHY, "--json")
    report = did(gate, "replay", *map(str, numbers), *WHY, "--dry-run", "--json")
    assert [one["outcome"] for one in report["commands"]] == ["applied", "parked"]
    assert (report["commands"][1]["message"], report["outcomes"]) == ("no", {"applied": 1, "parked": 1})
    assert report["tables"]["trial.entry"] == {"inserted": 1, "updated": 0, "deleted": 0}
    assert gate.database.entries("dry") == {"dry": []}
    told = gate.operator.do("parked", "replay", str(numbers[0]), *WHY, "--dry-run")
    assert "trial.entry: 1 inserted" in told
    assert "of 1: 1 applied; nothing was changed" in told
    gate.operator.do("hold", "table:trial.entry", *WHY)
    report = did(gate, "replay", str(numbers[0]), *WHY, "--dry-run", "--json")
    assert (report["outcomes"], report["tables"]) == ({"waits": 1}, {})
    gate.operator.do("release", "table:trial.entry")
    did(gate, "drop", *map(str, numbers), *SURE)


def test_a_parked_command_that_is_declined_in_the_end_is_parked_no_more(gate: Gate) -> None:
    gate.broker.publish([bad := Spend(account="nothing", amount=-1)])
    number = str(number_of(gate, bad))
    did(gate, "edit", number, "--set", "amount=7", *WHY, "--json")
    report = did(gate, "replay", number, *WHY, "--dry-run", "--json")
    reason = "7 is more than there is"
    assert [(one["outcome"], one["message"]) for one in report["commands"]] == [("declined", reason)]
    assert report["tables"] == {}
    assert did(gate, "replay", number, *SURE) == {"done": 1, "skipped": {}}
    gate.wait(lambda: state_of(gate, bad) == "replayed", "it is decided")
    rows = gate.database.sql("SELECT outcome, reason FROM writegate.ledger WHERE id = %s", [bad.command_id])
    assert rows == [("d", reason)]
    assert gate.database.entries("nothing") == {"nothing": []}


# A rule that is looked at when a transaction ends.
_LATE = """
CREATE FUNCTION trial.refuse() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE 'not this one' USING ERRCODE = '23514'; END $$;
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON trial.entry DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW WHEN (new.account = 'late') EXECUTE FUNCTION trial.refuse()
"""


def test_a_dry_run_sees_what_a_commit_would_find(gate: Gate) -> None:
    gate.database.sql(_LATE)
    try:
        gate.broker.publish([bad := Deposit(account="late", seq=0)])
        number = str(number_of(gate, bad))
        [report] = did(gate, "replay", number, *WHY, "--dry-run", "--json")["commands"]
        assert (report["outcome"], report["sqlstate"], report["message"].partition(";")[0]) == (
            "parked", "23514", "not this one",
        )  # fmt: skip
    finally:
        gate.database.sql("DROP TRIGGER late ON trial.entry; DROP FUNCTION trial.refuse()")
    assert did(gate, "replay", number, *SURE) == {"done": 1, "skipped": {}}
    gate.database.wait_entries("late", 1)


def test_what_cannot_be_decided_is_skipped_and_says_why(gate: Gate) -> None:
    item = item_of(Deposit(account="skipped", seq=0))
    made = encode(item)
    made.headers["eta"] = "2026-01-01T00:00:00"
    with gate.broker.channel() as channel:
        send(channel, queue_name("trial", lane_of("skipped", trial.lanes)), made)
    gate.database.wait_parked(item.id)
    [shown] = did(gate, "show", item.id, "--json")
    number = str(shown["number"])
    done = did(gate, "replay", number, *SURE, code=3)
    assert (done["done"], list(done["skipped"].values())) == (0, [1])
    assert "writegate parked edit" in next(iter(done["skipped"]))
    # Its fields are in the message that it was: they are given to it as they are.
    did(gate, "edit", number, "--set", "seq=0", *WHY, "--json")
    assert did(gate, "replay", number, *SURE) == {"done": 1, "skipped": {}}
    gate.database.wait_entries("skipped", 1)


def test_dead_letters_are_parked_with_the_brokers_reason_unless_they_were_decided(gate: Gate) -> None:
    account = "dead"
    before = Deposit(account=account, seq=0)
    gate.broker.publish([before])
    gate.database.wait_entries(account, 1)
    gate.writers.stop()
    gate.broker.publish([before])
    gate.broker.publish([died := Careful(account=account, seq=1)])
    lane = lane_of(account, trial.lanes)
    with gate.broker.channel() as channel:
        # As after a thousand deliveries that nobody survived.
        for method, _, _ in channel.consume(queue_name("trial", lane), inactivity_timeout=patient(60)):
            assert method is not None, "the broker delivers both"
            channel.basic_nack(method.delivery_tag, requeue=False)
            if method.delivery_tag == 2:
                break
        channel.cancel()
        send(channel, dead_queue_name("trial"), Message(b"5", {"id": "dead-5", "task": "trial.deposit"}, {}))
    gate.wait(lambda: gate.broker.ready_counts()[dead_queue_name("trial")] == 3, "three are dead")
    gate.writers.start()
    parked = gate.database.wait_parked(died.command_id, "dead-5")
    assert parked[died.command_id][0] == "dead-letter: rejected"
    assert parked["dead-5"][0] == "not-json"
    assert gate.database.sql("SELECT lane FROM writegate.parked WHERE id = %s", [died.command_id]) == [(lane,)]
    gate.broker.publish([Deposit(account=account, seq=2)])
    gate.database.wait_entries(account, 2)
    assert gate.database.parked(before.command_id) == {}, "it was applied: its dead letter is a duplicate"
    gate.wait(lambda: gate.broker.ready_counts()[dead_queue_name("trial")] == 0, "none is left")
    assert did(gate, "replay", "--cause", "dead-letter: rejected", *SURE) == {"done": 1, "skipped": {}}
    gate.database.wait_entries(account, 3)
    assert gate.database.entries(account) == {account: [0, 2, 1]}
    did(gate, "drop", "--id", "dead-5", *SURE)


def test_without_a_dead_letter_queue_the_lanes_go_on(gate: Gate) -> None:
    with gate.broker.channel() as channel:
        channel.queue_delete(dead_queue_name("trial"))
    gate.writers.stop()
    writer = gate.writers.start()
    gate.broker.publish([Deposit(account="undead", seq=0)])
    gate.database.wait_entries("undead", 1)
    gate.wait(lambda: "dead_letters.channel_lost" in writer.log, "people are told")
    assert "domain.channel_lost" not in writer.log.rpartition("domain.claimed")[2]
    gate.apply()


# Ten thousand of two causes, as if they had been parked one by one: that alone would take longer than all the rest.
_MANY = """
WITH made AS (
    INSERT INTO writegate.parked (service, lane, id, task, version, key, hash, cause, sqlstate, message, headers, raw)
    SELECT 'trial', %(lane)s, gen_random_uuid()::text, 'trial.deposit', 1, %(key)s, seq, %(cause)s, '23514', 'x', '{}',
           convert_to(json_build_object('account', %(key)s, 'seq', seq, 'amount', 1)::text, 'UTF8')
    FROM generate_series(0, 4999) AS seq RETURNING seq, id, hash
)
INSERT INTO writegate.ledger SELECT current_date, 'trial', id::uuid, 'p', hash, 0 FROM made
"""


@pytest.mark.slow
def test_one_cause_of_ten_thousand_is_replayed_at_a_rate_and_goes_on_where_it_was_killed(gate: Gate) -> None:
    for key in ("many", "others"):
        gate.database.sql(_MANY, {"key": key, "cause": f"cause-{key}", "lane": lane_of(key, trial.lanes)})
    arguments = ("parked", "replay", "--cause", "cause-many", "--rate", "500", *SURE)
    replaying = subprocess.Popen(
        [sys.executable, "-m", "writegate", *arguments], cwd=CHECKOUT, env={**os.environ, **gate.operator.settings()},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    gate.database.wait_entries("many", 1500)
    replaying.send_signal(signal.SIGKILL)
    replaying.wait(patient(10))
    gate.writers.kill()
    before = len(gate.database.entries("many")["many"])
    assert before < 5000, "it was killed half-way"
    gate.writers.start()
    began = gate.database.value("SELECT clock_timestamp()")
    again = json.loads(gate.operator.do(*arguments))
    seconds = gate.database.value("SELECT extract(epoch FROM clock_timestamp() - %s)::float8", [began])
    gate.database.wait_entries("many", 5000)
    gate.database.assert_exactly_once("many", range(5000))
    assert again["done"] / seconds <= 500, "no faster than it was told"
    assert (
        gate.database.value("SELECT count(*) FROM writegate.parked WHERE cause = 'cause-many' AND state <> 'replayed'")
        == 0
    )
    states = "SELECT state, count(*) FROM writegate.parked WHERE cause = 'cause-others' GROUP BY state"
    assert gate.database.sql(states) == [("parked", 5000)]
    assert gate.database.entries("others") == {"others": []}
    decided = """
    SELECT count(*) FROM writegate.ledger l JOIN writegate.parked p ON l.id = p.id::uuid
    WHERE p.key = %s AND l.outcome = %s
    """
    assert [gate.database.value(decided, pair) for pair in (["many", "a"], ["many", "p"], ["others", "p"])] == [
        5000,
        0,
        5000,
    ]
    assert did(gate, "drop", "--cause", "cause-others", *SURE) == {"done": 5000, "skipped": {}}
