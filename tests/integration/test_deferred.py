"""Deferred commands as an operator decides about them, who has the reader role and a broker account, and no more."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.gate import Gate, gate_running
from tests.integration.gate_broker import send
from tests.integration.site import Site, site_of
from tests.servers import Servers
from tests.services.trial.contract import Careful, Choose, Deposit, trial
from writegate import Command
from writegate.contract.lanes import lane_of
from writegate.message.envelope import VERSION_HEADER, Message, encode, item_of
from writegate.message.topology import queue_name

WHY = ("--reason", "a test")
SURE = (*WHY, "--yes", "--json")
SOME_SKIPPED, NOTHING_DONE = 3, 4


@pytest.fixture(scope="module")
def gate(servers: Servers) -> Iterator[Gate]:
    with gate_running(servers, "gate_deferred") as running:
        running.writers.start()
        yield running
        running.assert_drained()


@pytest.fixture(scope="module")
def site(gate: Gate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site_of(gate, tmp_path_factory.mktemp("site")) as made:
        yield made


def did(gate: Gate, *arguments: str, code: int = 0) -> Any:
    done = gate.operator.run("deferred", *arguments)
    assert done.returncode == code, f"{arguments}: {done.stdout}{done.stderr}"
    return json.loads(done.stdout)


def hold(gate: Gate, *target: str) -> None:
    gate.operator.do("hold", *target, *WHY)


def deferred(gate: Gate, account: str) -> list[int]:
    """Return the numbers of an account's deferred commands, in the order in which they came."""
    query = "SELECT number FROM writegate.deferred WHERE key = %s AND state = 'deferred' ORDER BY seq"
    return [number for (number,) in gate.database.sql(query, [account])]


def defer(gate: Gate, account: str, *commands: Command) -> list[str]:
    """Publish commands that are deferred; return their numbers, as they are typed."""
    before = len(deferred(gate, account))
    gate.broker.publish(commands)
    gate.wait(lambda: len(deferred(gate, account)) == before + len(commands), f"{account}: all are deferred")
    return [str(number) for number in deferred(gate, account)[before:]]


def parked_as(gate: Gate, command: Command) -> tuple[str, str, str]:
    """Return state, cause and message of a command once it is among the parked ones."""
    gate.database.wait_parked(command.command_id)
    query = "SELECT state, cause, message FROM writegate.parked WHERE id = %s"
    [row] = gate.database.sql(query, [command.command_id])
    return row[0], row[1], row[2]


def test_deferred_commands_are_seen_and_each_can_be_dropped_or_parked(gate: Gate) -> None:
    account = "seen"
    hold(gate, "trial.deposit")
    commands = [Deposit(account=account, seq=0), Choose(account=account, seq=1), Deposit(account=account, seq=2)]
    first, second, last = defer(gate, account, *commands)
    groups = did(gate, "list", "--key", account, "--json")
    assert {(group["cause"], group["command"]): group["count"] for group in groups} == {
        ("held: a test", "trial.deposit"): 1,
        ("behind an earlier command of its key", "trial.choose"): 1,
        ("behind an earlier command of its key", "trial.deposit"): 1,
    }
    [single] = did(gate, "list", "--each", "--key", account, "--cause", "held: a test", "--since", "1h", "--json")
    assert (str(single["number"]), single["id"], single["command"]) == (first, commands[0].command_id, "trial.deposit")
    [shown] = did(gate, "show", second, "--json")
    assert (shown["state"], shown["fields"]["seq"], shown["history"]) == ("deferred", 1, [])
    assert did(gate, "list", "--key", account, "--before", "1h", "--json") == []
    assert "held: a test" in gate.operator.do("deferred", "list", "--key", account)

    assert did(gate, "drop", first, *SURE) == {"done": 1, "skipped": {}}
    gate.database.wait_entries(account, 1)
    assert gate.database.entries(account) == {account: [1]}, "it waited for the first, and the last is held still"
    state, cause, message = parked_as(gate, commands[0])
    assert (state, cause) == ("dropped", "dropped-by-people")
    assert message.endswith(": a test")
    [shown] = did(gate, "show", first, "--json")
    assert (shown["state"], [action["action"] for action in shown["history"]]) == ("parked", ["drop"])

    assert did(gate, "park", "--key", account, *SURE) == {"done": 1, "skipped": {}}
    assert parked_as(gate, commands[2])[:2] == ("parked", "parked-by-people")
    assert did(gate, "drop", last, *SURE, code=NOTHING_DONE) == {"done": 0, "skipped": {}}
    gate.operator.do("release", "trial.deposit")
    # The message of the one that was dropped, delivered once more, is a duplicate.
    with gate.broker.channel() as channel:
        send(channel, queue_name("trial", lane_of(account, trial.lanes)), encode(item_of(commands[0])))
    gate.broker.publish([Deposit(account=account, seq=3)])
    gate.database.wait_entries(account, 2)
    gate.operator.do("parked", "replay", "--key", account, *WHY, "--yes")
    gate.database.wait_entries(account, 3)
    assert gate.database.entries(account) == {account: [1, 3, 2]}, "by their own will people have changed this order"
    trace = json.loads(gate.operator.do("trace", commands[2].command_id, "--json"))
    told = [event["what"] for event in trace["events"]]
    assert [what for what in told if what.endswith("by people")] == ["parked by people", "replayed by people"]


def test_a_replay_now_tries_a_command_behind_those_of_its_key(gate: Gate) -> None:
    account = "in-turn"
    hold(gate, "trial.deposit")
    _, second, _ = defer(
        gate, account, Deposit(account=account, seq=0), Choose(account=account, seq=1), Choose(account=account, seq=2)
    )
    [tried] = did(gate, "replay", second, *WHY, "--dry-run", "--json")["commands"]
    assert (tried["outcome"], tried["message"]) == ("waits", "behind an earlier command of its key")
    revision = "SELECT revision FROM writegate.domain WHERE name = 'trial'"
    before = gate.database.value(revision)
    assert did(gate, "replay", second, *SURE) == {"done": 1, "skipped": {}}
    assert gate.database.value(revision) > before, "so its owner begins a new pass at once"
    report = did(gate, "replay", "--key", account, *WHY, "--dry-run", "--json")
    assert report["outcomes"] == {"waits": 3}
    gate.broker.publish([Choose(account="in-turn-beside", seq=0)])
    gate.database.wait_entries("in-turn-beside", 1)
    assert gate.database.entries(account) == {account: []}
    gate.operator.do("release", "trial.deposit")
    gate.database.wait_entries(account, 3)
    gate.database.assert_exactly_once(account, range(3))


def test_what_is_dropped_is_never_applied_whatever_ends_at_the_same_time(gate: Gate) -> None:
    accounts = [f"race-{number}" for number in range(10)]
    for round_ in range(3):
        hold(gate, "table:trial.entry")
        for account in accounts:
            defer(gate, account, *(Deposit(account=account, seq=3 * round_ + seq) for seq in range(3)))
        middle = [str(deferred(gate, account)[1]) for account in accounts]
        gate.operator.do("release", "table:trial.entry")
        dropped = did_or_late(gate, "drop", *middle)
        gate.wait(lambda: not any(deferred(gate, account) for account in accounts), "nothing is deferred")
        states = "SELECT count(*) FROM writegate.parked WHERE state = 'dropped' AND key LIKE 'race-%%'"
        applied = sum(len(booked) for booked in gate.database.entries(*accounts).values())
        total = gate.database.value(states)
        assert applied + total == 30 * (round_ + 1), "each is either applied or dropped"
        assert dropped <= total
    for account, booked in gate.database.entries(*accounts).items():
        assert booked == sorted(booked), account


def did_or_late(gate: Gate, *arguments: str) -> int:
    """Do something with commands that may be applied at the same time; return how many it was done with."""
    done = gate.operator.run("deferred", *arguments, *SURE)
    assert done.returncode in {0, SOME_SKIPPED, NOTHING_DONE}, done.stderr
    return int(json.loads(done.stdout)["done"])


def test_a_version_that_nobody_knows_is_taken_out_of_the_way_of_its_key(gate: Gate) -> None:
    account = "nobody-knows"
    item = item_of(first := Deposit(account=account, seq=0))
    made = encode(item)
    with gate.broker.channel() as channel:
        newer = Message(made.body, {**made.headers, VERSION_HEADER: 2}, made.properties)
        send(channel, queue_name("trial", lane_of(account, trial.lanes)), newer)
    gate.wait(lambda: len(deferred(gate, account)) == 1, "it is deferred")
    defer(gate, account, Deposit(account=account, seq=1))
    assert did(gate, "park", "--id", item.id, *SURE) == {"done": 1, "skipped": {}}
    gate.database.wait_entries(account, 1)
    assert gate.database.entries(account) == {account: [1]}
    assert parked_as(gate, first)[:2] == ("parked", "parked-by-people")
    gate.operator.do("parked", "drop", "--id", item.id, *WHY, "--yes")


def test_a_parked_command_that_waits_to_be_decided_again_can_be_dropped(gate: Gate) -> None:
    account = "again"
    gate.broker.publish([bad := Careful(account=account, seq=0, amount=-1)])
    gate.database.wait_parked(bad.command_id)
    hold(gate, "trial", f"key={account}")
    gate.operator.do("parked", "replay", "--id", bad.command_id, *WHY, "--yes")
    gate.wait(lambda: len(deferred(gate, account)) == 1, "it is deferred")
    defer(gate, account, Careful(account=account, seq=1))
    assert did(gate, "drop", "--id", bad.command_id, *SURE) == {"done": 1, "skipped": {}}
    gate.wait(lambda: parked_as(gate, bad)[0] == "dropped", "it is dropped")
    gate.operator.do("release", "trial", f"key={account}")
    gate.database.wait_entries(account, 1)
    assert gate.database.entries(account) == {account: [1]}


def test_what_is_asked_for_must_be_clear_and_nothing_to_do_is_no_success(gate: Gate) -> None:
    assert gate.operator.run("deferred", "drop", *WHY, "--yes").returncode == 2, "without a filter it is not all"
    for action in ("replay", "park", "drop"):
        assert did(gate, action, "--key", "nobody", *SURE, code=NOTHING_DONE) == {"done": 0, "skipped": {}}
        done = gate.operator.run("deferred", action, "--key", "nobody", *WHY, "--yes")
        assert (done.returncode, "nothing matches" in done.stdout) == (NOTHING_DONE, True)
    shown = gate.operator.run("deferred", "show", "999999")
    assert (shown.returncode, "nothing was ever deferred as 999999" in shown.stderr) == (1, True)
    hold(gate, "trial", "key=counted")
    defer(gate, "counted", *(Deposit(account="counted", seq=seq) for seq in range(5)))
    count = did(gate, "drop", "--key", "counted", *WHY, "--dry-run", "--json")
    assert count["matching"] == 5
    assert len(deferred(gate, "counted")) == 5
    assert did(gate, "drop", "--key", "counted", "--limit", "2", "--rate", "4", *SURE) == {"done": 2, "skipped": {}}
    gate.operator.do("release", "trial", "key=counted")
    gate.database.wait_entries("counted", 3)
    assert gate.database.entries("counted") == {"counted": [2, 3, 4]}, "the oldest two are dropped"
    audited = "SELECT action, detail->'done' FROM writegate.audit WHERE target = 'deferred key=counted' ORDER BY seq"
    assert gate.database.sql(audited) == [("drop", 1), ("drop", 1)], "at four a second, one at a time"


def test_the_console_shows_deferred_commands_and_acts_on_them(gate: Gate, site: Site) -> None:
    account, client = "on-the-page", site.client()
    hold(gate, "trial", f"key={account}")
    commands = [Deposit(account=account, seq=seq) for seq in range(4)]
    numbers = defer(gate, account, *commands)
    for query in (f"key={account}", f"id={commands[0].command_id}", f"number={numbers[0]}"):
        assert f'href="/deferred/{numbers[0]}"' in client.page(f"/deferred?{query}"), query
    page = client.page(f"/deferred/{numbers[0]}")
    assert "held: a test" in page
    assert f'href="/act/deferred/park?number={numbers[0]}"' in page
    assert f'href="/deferred/{numbers[0]}"' in client.page(f"/commands/{commands[0].command_id}")
    assert "1 deferred command will be parked" in client.page(f"/act/deferred/park?number={numbers[0]}")
    assert "1 of 1" in client.finish(client.act("/act/deferred/park", query=f"number={numbers[0]}"))
    assert parked_as(gate, commands[0])[:2] == ("parked", "parked-by-people")
    preview = client.act("/act/deferred/dry-run", query=f"key={account}").text
    assert "3 deferred" in preview
    assert "3 deferred commands will be tried now" in client.page(f"/act/deferred/replay?key={account}")
    client.page("/act/deferred/edit", 400)
    client.page("/act/parked/park", 404)

    asked = {"selection": {"numbers": [int(numbers[1])]}, "reason": "a test"}
    found = client.get("/api/v1/deferred", params={"key": account}).json()
    assert [str(row["number"]) for row in found["commands"]] == numbers[:0:-1]
    assert found["total"] == 3
    assert client.get(f"/api/v1/deferred/{numbers[1]}").json()["fields"]["seq"] == 1
    job = client.send("/api/v1/deferred/drops", asked)
    gate.wait(lambda: not client.get(f"/api/v1/jobs/{job['id']}").json()["running"], "the job ends")
    assert parked_as(gate, commands[1])[:2] == ("dropped", "dropped-by-people")
    gate.operator.do("release", "trial", f"key={account}")
    gate.database.wait_entries(account, 2)
    assert gate.database.entries(account) == {account: [2, 3]}
    gate.operator.do("parked", "drop", "--key", account, *WHY, "--yes")


def test_a_message_is_taken_out_of_its_lane(gate: Gate, site: Site) -> None:
    """It is in the queue, where nobody can look at it: people know its id."""
    account = "in-the-lane"
    hold(gate, "trial")
    gate.wait(
        lambda: "lanes.held" in gate.writers["writer-1"].log.rpartition("lanes.released")[2], "the lanes are held"
    )
    commands = [Deposit(account=account, seq=seq) for seq in range(4)]
    gate.broker.publish(commands)
    gate.operator.do("skip", "trial", commands[1].command_id, *WHY)
    asked = {"service": "trial", "id": commands[2].command_id, "drop": False, "reason": "a test"}
    assert site.client().send("/api/v1/removals", asked) == {"removed": commands[2].command_id}
    gate.operator.do("release", "trial")
    gate.database.wait_entries(account, 2)
    assert gate.database.entries(account) == {account: [0, 3]}
    assert parked_as(gate, commands[1])[:2] == ("dropped", "dropped-by-people")
    assert parked_as(gate, commands[2])[:2] == ("parked", "parked-by-people")
    assert gate.database.value("SELECT count(*) FROM writegate.removal") == 0
    for id_, why in ((commands[0].command_id, "applied"), (commands[1].command_id, "parked")):
        late = gate.operator.run("skip", "trial", id_, *WHY)
        assert (late.returncode, f"it is finished: {why}" in late.stderr) == (1, True), late.stderr
    unknown = gate.operator.run("skip", "trail", commands[0].command_id, *WHY)
    assert (unknown.returncode, "there is no service 'trail'" in unknown.stderr) == (1, True)
    audited = "SELECT action FROM writegate.audit WHERE target = %s AND NOT detail ? 'refused'"
    assert gate.database.sql(audited, [f"command trial {commands[1].command_id}"]) == [("drop",)]
    gate.operator.do("parked", "replay", "--key", account, *WHY, "--yes")
    gate.database.wait_entries(account, 3)
