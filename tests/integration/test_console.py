"""The reading commands on a running gate, with nothing but the reader role."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg2
import pytest

from tests import preloaded
from tests.deadlines import patient
from tests.integration.gate import Gate, gate_running
from tests.servers import OWNER, Servers
from tests.services.trial.contract import Agree, Deposit, Split
from writegate.contract.ids import new_id
from writegate.session_name import login_name
from writegate_console.gate.who.queries import MAX_IDS

READER = "writegate_reader"


@pytest.fixture(scope="module")
def gate(servers: Servers) -> Iterator[Gate]:
    with gate_running(servers, "gate_console") as running:
        running.writers.start()
        yield running
        running.assert_drained()


def run(gate: Gate, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    own = {"WRITEGATE_DATABASE_URL": gate.servers.database_url(READER, gate.name)}
    return preloaded.run("writegate", *arguments, env={**os.environ, **own, **more}, timeout=patient(120))


def read(gate: Gate, *arguments: str, code: int = 0, **more: str) -> Any:
    done = run(gate, *arguments, "--json", **more)
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


def deposit(gate: Gate, account: str, amount: int = 1) -> str:
    with gate.broker.publisher() as publisher:
        return publisher.publish(Deposit(account=account, seq=1, amount=amount)).command_id


def test_a_trace_shows_publishing_and_the_batch(gate: Gate) -> None:
    id_ = deposit(gate, "traced")
    gate.database.wait_entries("traced", 1)
    published, applied = read(gate, "trace", id_)["events"]
    assert (published["what"], applied["what"], applied["service"]) == ("published", "applied", "trial")
    batch = "SELECT xid, writer FROM writegate.batch WHERE id = %s"
    assert gate.database.sql(batch, [applied["batch"]]) == [(applied["xid"], applied["writer"])]
    assert "applied" in run(gate, "trace", id_).stdout


def test_a_trace_shows_what_a_handler_answered(gate: Gate) -> None:
    commands = [Deposit(account="answers", seq=1, amount=3), Agree(account="answers", seq=2, no="not on a Sunday")]
    with gate.broker.publisher() as publisher:
        for pending in publisher.publish_many(commands, receipt=True):
            pending.wait(patient(30))
    applied, declined = (read(gate, "trace", command.command_id)["events"][-1] for command in commands)
    assert (applied["what"], applied["result"]) == ("applied", {"booked": 3})
    assert (declined["what"], declined["reason"]) == ("declined", "not on a Sunday")
    assert "not on a Sunday" in run(gate, "trace", commands[1].command_id).stdout


def test_a_trace_shows_what_was_emitted_and_what_became_of_it(gate: Gate) -> None:
    with gate.broker.publisher() as publisher:
        id_ = publisher.publish(Split(account="emits", into="is-emitted", first=0, count=2)).command_id
    gate.database.wait_entries("is-emitted", 2)
    emitted = [event for event in read(gate, "trace", id_)["events"] if event["what"] == "emitted"]
    assert [(event["service"], event["state"]) for event in emitted] == [("trial", "applied")] * 2
    assert read(gate, "trace", emitted[0]["id"])["events"][-1]["what"] == "applied"


def test_a_trace_of_a_parked_command_shows_why_and_by_whom(gate: Gate) -> None:
    id_ = deposit(gate, "bad", -1)
    gate.database.wait_parked(id_)
    parked = next(event for event in read(gate, "trace", id_)["events"] if event["what"] == "parked")
    assert (parked["origin"], parked["sqlstate"], parked["key"]) == ("trial", "23514", "bad")


def test_a_trace_of_an_unknown_id_says_what_was_searched(gate: Gate) -> None:
    done = run(gate, "trace", new_id())
    assert done.returncode == 1
    assert "searched ledger, parked, deferred, suspect and outbox of" in done.stderr


def test_who_wrote_a_row(gate: Gate) -> None:
    id_ = deposit(gate, "written")
    gate.database.wait_entries("written", 1)
    written = read(gate, "who", "trial.balance", "written")
    assert (written["batch"]["service"], id_ in written["commands"]) == ("trial", True)
    gate.database.sql("UPDATE trial.balance SET total = total WHERE account = 'written'")
    outside = run(gate, "who", "trial.balance", "written")
    assert (outside.returncode, outside.stdout.partition(":")[0]) == (3, "unknown")


def test_who_names_some_commands_of_a_large_batch_and_counts_the_others(gate: Gate) -> None:
    id_ = deposit(gate, "large")
    gate.database.wait_entries("large", 1)
    # As many more as a large batch would have finished with it.
    gate.database.sql(
        "INSERT INTO writegate.ledger SELECT (jsonb_populate_record(l, jsonb_build_object('id', gen_random_uuid()))).* "
        f"FROM writegate.ledger l, generate_series(1, {MAX_IDS}) WHERE l.id = %s",
        [id_],
    )
    written = read(gate, "who", "trial.balance", "large")
    assert (len(written["commands"]), written["others"]) == (MAX_IDS, 1)
    printed = run(gate, "who", "trial.balance", "large").stdout
    assert f"one or more of the {MAX_IDS + 1} commands" in printed
    assert "and 1 others" in printed


def test_who_says_what_there_is_instead(gate: Gate) -> None:
    for arguments, expected in (
        (("trial.balanse", "a"), "did you mean trial.balance"),
        (("trial.balance", "a", "b"), "trial.balance takes 1 values of its primary key, not 2: account (text)"),
        (("trial.balance", "o'nobody"), "trial.balance has no row o'nobody"),
    ):
        done = run(gate, "who", *arguments)
        assert (done.returncode, expected in done.stderr) == (1, True), done.stderr


def test_who_still_writes_directly_and_what_ends_it(gate: Gate, tmp_path: Path) -> None:
    assert read(gate, "connections")["direct"] == []
    gate.database.sql("CREATE ROLE legacy_shop; GRANT USAGE ON SCHEMA trial TO legacy_shop")
    try:
        gate.database.sql("GRANT UPDATE (total) ON trial.balance TO legacy_shop")
        found = read(gate, "connections", "--baseline", str(tmp_path / "before.json"))
        [direct] = found["direct"]
        assert (direct["role"], found["writers"]["budget"], found["writers"]["used"] > 0) == (
            "legacy_shop",
            gate.connections,
            True,
        )
        gate.database.sql(direct["revoke"])
        after = read(gate, "connections", "--baseline", str(tmp_path / "before.json"))
        assert after["direct"] == []
        assert {count["name"] for count in after["compared"]} >= {"connections", "deadlocks"}
    finally:
        gate.database.sql("DROP OWNED BY legacy_shop; DROP ROLE legacy_shop")


def test_an_application_that_owns_its_table_and_writes_directly_is_named(gate: Gate) -> None:
    """It needs no grant: that it owns the table is enough, or that it is a member of the role that does."""
    password = "a-long-password"
    gate.database.sql(
        f"CREATE ROLE old_shop LOGIN PASSWORD '{password}'; GRANT USAGE ON SCHEMA trial TO old_shop; "
        f"CREATE ROLE old_batch LOGIN PASSWORD '{password}' NOINHERIT; GRANT old_shop TO old_batch"
    )
    try:
        assert "old_shop" not in {role["role"] for role in read(gate, "connections")["privileged"]}
        gate.database.sql("ALTER TABLE trial.step OWNER TO old_shop")
        url = gate.servers.database_url("old_shop", gate.name, password)
        with closing(psycopg2.connect(url, application_name="shop worker")) as application:
            with application, application.cursor() as cursor:
                cursor.execute(
                    "INSERT INTO trial.step (id, account, stream, seq, bad)"
                    " SELECT 'direct', 'a', 's', n, false FROM generate_series(1, 15000) n"
                )
                [now] = read(gate, "connections")["writing"]
                assert (now["role"], now["application"], now["table"]) == ("old_shop", "shop worker", "trial.step")
            found = read(gate, "connections")
            roles = {role["role"]: role for role in found["privileged"]}
            assert (roles["old_shop"]["how"], roles["old_shop"]["tables"]) == ("owner", ["trial.step"])
            assert (roles["old_shop"]["sessions"], roles["old_shop"]["applications"]) == (1, ["shop worker"])
            assert (roles["old_batch"]["how"], roles["old_batch"]["through"]) == ("member", "old_shop")
            assert {role["how"] for role in roles.values()} >= {"superuser", "owner", "member"}
            assert found["writing"] == []
        gate.wait(lambda: steps(gate)["inserted"] >= 15_000, "the server has counted them")
        printed = run(gate, "connections").stdout
        assert "old_shop owns trial.step; sessions now: none" in printed
        assert 'REVOKE "old_shop" FROM "old_batch";' in printed
    finally:
        gate.database.sql("ALTER TABLE trial.step OWNER TO writegate_owner; DELETE FROM trial.step WHERE id = 'direct'")
        for role in ("old_batch", "old_shop"):
            gate.database.sql(f"DROP OWNED BY {role}; DROP ROLE {role}")


def steps(gate: Gate) -> dict[str, Any]:
    [found] = [table for table in read(gate, "connections")["written"] if table["table"] == "trial.step"]
    return dict(found)


def test_each_session_says_which_program_where_it_belongs_to(gate: Gate) -> None:
    found = read(gate, "connections")["sessions"]
    writers = {count["application"]: count["sessions"] for count in found if count["role"] == "writegate_writer"}
    assert set(writers.values()) == {1}, writers
    pid = gate.writers["writer-1"].process.pid
    programs = {name.partition(" ")[0] for name in writers}
    assert programs == {"writegate-control", *(f"writegate-writer.{slot}" for slot in range(gate.connections - 1))}
    assert all(re.search(rf" writer-1@.*/{pid}-\d+$", name) for name in writers), writers
    # This command itself, as who ran it: it ends with its process.
    [own] = [count["application"] for count in found if count["role"] == READER]
    assert re.fullmatch(rf"writegate connections {login_name()}@.+/\d+", own), own


def test_status_shows_lanes_holds_and_what_is_parked(gate: Gate) -> None:
    gate.database.wait_parked(deposit(gate, "shown", -1))
    gate.database.sql("INSERT INTO writegate.hold (target, reason, holder) VALUES ('flights', 'migration', 'dba')")
    try:
        found = read(gate, "status")
        assert [hold["target"] for hold in found["holds"]] == ["flights"]
        assert "trial" in {group["service"] for group in found["parked"]}
        assert {"trial", "flights"} <= {lane["service"] for lane in found["lanes"] if lane["owner"]}
        assert found["broker"] == "WRITEGATE_BROKER_API_URL is not set: no depths"
        assert "holds: 1" in run(gate, "status").stdout
    finally:
        gate.database.sql("DELETE FROM writegate.hold")


def test_status_shows_depths_with_the_readers_broker_account(gate: Gate) -> None:
    account = gate.environment(OWNER)["WRITEGATE_PASSWORD_WRITEGATE_READER"]
    management = urlsplit(gate.servers.broker_api_url)
    url = f"http://{READER}:{account}@{management.hostname}:{management.port}"
    vhost = gate.servers.broker_url(vhost=gate.name)
    found = read(gate, "status", WRITEGATE_BROKER_API_URL=url, WRITEGATE_BROKER_URL=vhost)
    assert found["broker"] is None
    assert None not in {lane["messages"] for lane in found["lanes"]}
    other = url.replace(account, "other")
    wrong = read(gate, "status", code=4, WRITEGATE_BROKER_API_URL=other, WRITEGATE_BROKER_URL=vhost)
    assert "answered 401" in wrong["broker"]
    assert {lane["messages"] for lane in wrong["lanes"]} == {None}
