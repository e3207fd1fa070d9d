"""``plan`` and ``apply`` on real servers: what they make, what they repair, what they refuse."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

import pika
import pytest
from pika.exceptions import ConnectionClosedByBroker, ProbableAccessDeniedError

from tests import preloaded
from tests.deadlines import patient
from tests.place import MOST_CHANNELS, MOST_CONNECTIONS, NAME, PASSWORD, Place, passwords
from tests.servers import Servers
from writegate.contract.lanes import lane_of
from writegate.contract.targets import BUILT_IN
from writegate.errors import SettingsError
from writegate_writer.operations import writes
from writegate_writer.provision.change import ApplyError
from writegate_writer.provision.plan import declared_by, opened
from writegate_writer.provision.render.definitions import definitions
from writegate_writer.provision.render.sql import sql


def test_a_fresh_apply_makes_everything_and_a_second_one_nothing(place: Place) -> None:
    assert not place.plan().refused
    kinds = {change.kind for change in place.apply()}
    assert kinds >= {
        "vhost",
        "exchange",
        "queue",
        "binding",
        "broker user",
        "permission",
        "role",
        "migration",
        "domain",
    }
    assert place.apply() == []
    assert place.plan().changes == ()
    assert place.sql("select service, lane, domain from writegate.lane order by 1, 2") == [
        ("alpha", 0, "alpha"), ("alpha", 1, "alpha"), ("beta", 0, "beta"),
    ]  # fmt: skip


def test_two_applies_at_once_do_not_disturb_each_other(place: Place) -> None:
    with ThreadPoolExecutor(2) as pool:
        first, second = (future.result() for future in [pool.submit(place.apply) for _ in range(2)])
    assert bool(first) != bool(second)
    assert place.plan().changes == ()


Broken = tuple[Callable[[Place], object], str, str]
BROKEN: dict[str, Broken] = {
    "queue": (lambda place: place.api("DELETE", f"/queues/{NAME}/writes.alpha.1"), "queue", "writes.alpha.1"),
    "binding": (
        lambda place: place.api("DELETE", f"/bindings/{NAME}/e/writes.alpha/q/writes.alpha.0/any"),
        "binding",
        "writes.alpha -> writes.alpha.0",
    ),
    "permission": (
        lambda place: place.api("PUT", f"/permissions/{NAME}/alpha", configure=".*", write=".*", read=".*"),
        "permission",
        "alpha",
    ),
    "broker password": (
        lambda place: place.api("PUT", "/users/alpha", password="other", tags=""),
        "broker user",
        "alpha",
    ),
    "broker tag": (
        lambda place: place.api("PUT", "/users/writegate_reader", password=PASSWORD, tags=""),
        "broker user",
        "writegate_reader",
    ),
    "connections": (
        lambda place: place.api("PUT", "/user-limits/alpha/max-connections", value=7),
        "limit",
        "alpha",
    ),
    "channels": (
        lambda place: place.api("DELETE", "/user-limits/writegate_writer/max-channels"),
        "limit",
        "writegate_writer",
    ),
    "grant": (
        lambda place: place.sql("revoke update on alpha.item from writegate_service_alpha"),
        "grant",
        "writegate_service_alpha",
    ),
    "extra grant": (
        lambda place: place.sql("grant select on beta.item to writegate_service_alpha"),
        "grant",
        "writegate_service_alpha",
    ),
    "membership": (
        lambda place: place.sql("revoke writegate_service_beta from writegate_writer"),
        "membership",
        "writegate_writer",
    ),
    "limit": (lambda place: place.sql("alter role writegate_writer connection limit 99"), "role", "writegate_writer"),
    "role password": (
        lambda place: place.sql("alter role writegate_reader password 'other'"),
        "role",
        "writegate_reader",
    ),
    "migration": (
        lambda place: (place.migrations / "beta/002_more.sql").write_text("alter table beta.item add column n int"),
        "migration",
        "beta/002_more.sql",
    ),
    "partition": (
        lambda place: place.sql(
            "do $$ begin execute 'drop table writegate.ledger_' || to_char(current_date + 3, 'YYYYMMDD'); end $$"
        ),
        "ledger partitions",
        "1 days",
    ),
    "lane": (lambda place: place.sql("delete from writegate.lane where service = 'beta'"), "domain", "beta"),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_what_went_missing_is_named_and_repaired(applied: Place, broken: str) -> None:
    break_, kind, name = BROKEN[broken]
    break_(applied)
    planned = [(change.kind, change.name) for change in applied.plan().changes]
    assert planned[0] == (kind, name)
    assert len(planned) == (2 if broken == "queue" else 1)  # a queue takes its binding with it
    assert [(change.kind, change.name) for change in applied.apply()] == planned
    assert applied.plan().changes == ()


def test_what_is_rendered_makes_all_that_apply_would(place: Place) -> None:
    declared = place.declared()
    place.api("POST", "/definitions", **json.loads(definitions(declared.broker, declared.passwords)))
    at_broker = {"vhost", "exchange", "queue", "binding", "broker user", "permission", "limit"}
    assert at_broker.isdisjoint(change.kind for change in place.plan().changes)
    for _ in range(2):
        done = place.psql(sql(declared.database))
        assert (done.returncode, done.stderr) == (0, "")
    with opened(place.settings(), place.services(), {}) as applier:  # the script has no passwords
        assert applier.plan().changes == ()
    place.publish("alpha", "writes.alpha", "1")


def test_what_is_rendered_for_the_built_in_service_is_what_apply_makes(place: Place) -> None:
    # It has commands, and a role with fewer rights than a service has on its own tables.
    services = {**place.services(), BUILT_IN: writes}
    declared = declared_by(place.settings(), services, {})
    assert place.psql(sql(declared.database)).returncode == 0
    with opened(place.settings(), services, {}) as applier:
        in_database = [one for one in applier.plan().changes if one.kind in {"role", "grant", "service", "migration"}]
    assert in_database == []


def test_the_rendered_script_stops_at_what_only_apply_can_do(applied: Place) -> None:
    (applied.migrations / "beta/002_more.sql").write_text("create table beta.more (id int)")
    other_lanes = applied.psql(sql(applied.declared(lanes=4).database))
    assert other_lanes.returncode != 0
    assert "the lanes of alpha change: only `writegate apply` can do that" in other_lanes.stderr
    assert applied.plan().changes == (), "what could be done is done"
    (applied.migrations / "beta/002_more.sql").write_text("select 1")
    changed = applied.psql(sql(applied.declared().database))
    assert changed.returncode != 0
    assert "migration beta/002_more.sql was changed after it was applied" in changed.stderr


def test_a_missing_password_is_named_before_anything_is_done(place: Place) -> None:
    environ = {**passwords(PASSWORD)}
    del environ["WRITEGATE_PASSWORD_ALPHA"]
    with opened(place.settings(), place.services(), environ) as applier, pytest.raises(SettingsError) as raised:
        applier.apply(applier.plan(), lambda _: None)
    assert "WRITEGATE_PASSWORD_ALPHA not set" in str(raised.value)
    assert place.sql("select to_regnamespace('writegate')") == [(None,)]


def test_passwords_that_are_not_given_are_left_alone(applied: Place) -> None:
    applied.api("PUT", "/users/alpha", password="their own", tags="")
    with opened(applied.settings(), applied.services(), {}) as applier:
        assert applier.plan().changes == ()


def test_a_queue_with_other_arguments_is_refused_and_keeps_its_messages(applied: Place) -> None:
    applied.api("DELETE", f"/queues/{NAME}/writes.beta.0")
    applied.api("PUT", f"/queues/{NAME}/writes.beta.0", durable=True, arguments={"x-queue-type": "quorum"})
    applied.api("POST", f"/bindings/{NAME}/e/writes.beta/q/writes.beta.0", routing_key="0")
    applied.publish("beta", "writes.beta", "0")
    applied.apply()
    (change,) = applied.plan().changes
    assert (change.action, change.name) == ("refused", "writes.beta.0")
    assert "`writegate apply --switch beta`" in change.detail
    with pytest.raises(ApplyError, match=r"1 message\(s\) wait in writes\.beta\.0 .*Nothing was changed"):
        applied.switch("beta", lanes=2)
    with closing(applied.broker("writegate_writer")) as connection:
        method, _, _ = connection.channel().basic_get("writes.beta.0", auto_ack=True)
    assert method is not None
    applied.publish("beta", "writes.beta", "0")
    with closing(applied.broker("writegate_writer")) as connection:
        connection.channel().basic_get("writes.beta.0", auto_ack=True)
    (made,) = applied.switch("beta", lanes=2)
    assert (made.kind, made.name) == ("queue", "writes.beta.0")
    assert applied.plan().changes == ()
    applied.publish("beta", "writes.beta", "0")


def test_a_changed_number_of_lanes_is_refused_but_routed(applied: Place) -> None:
    refused, *routed = applied.plan(lanes=4).changes
    assert (refused.action, refused.kind, refused.name) == ("refused", "domain", "alpha")
    assert [(change.kind, change.detail) for change in routed] == [
        ("binding", "routing key 2"), ("binding", "routing key 3"),
    ]  # fmt: skip
    assert applied.apply(lanes=4) == routed
    for key in "0123":
        applied.publish("alpha", "writes.alpha", key)
    with closing(applied.broker("writegate_writer")) as connection:
        for queue in (0, 1):
            assert connection.channel().queue_declare(f"writes.alpha.{queue}", passive=True).method.message_count == 2


def test_a_switch_that_was_killed_is_shown_and_ended(applied: Place) -> None:
    """It had shut the publishers out, and made the queues of lanes that the database does not know yet."""
    applied.api("PUT", "/user-limits/alpha/max-connections", value=0)
    applied.api("PUT", f"/queues/{NAME}/writes.alpha.2", durable=True, arguments={"x-queue-type": "quorum"})
    applied.api("POST", f"/bindings/{NAME}/e/writes.alpha/q/writes.alpha.2", routing_key="2")
    found = [(change.kind, change.name) for change in applied.plan().changes]
    assert found == [
        ("binding", "writes.alpha -> writes.alpha.0"),
        ("binding", "writes.alpha -> writes.alpha.2"),
        ("queue", "writes.alpha.2"),
        ("limit", "alpha"),
    ]
    assert [(change.kind, change.name) for change in applied.apply()] == found
    assert applied.plan().changes == ()
    applied.publish("alpha", "writes.alpha", "2")


def test_a_user_has_no_connection_and_no_channel_beyond_the_declared_number(applied: Place) -> None:
    with connections_of(applied, "beta", MOST_CONNECTIONS) as connections:
        with pytest.raises(ProbableAccessDeniedError, match="connection limit"):
            applied.broker("beta")
        for _ in range(MOST_CHANNELS):
            connections[0].channel()
        with pytest.raises(ConnectionClosedByBroker, match="maximum allowed user limit"):
            connections[1].channel()
    # Without limits, as it was: none is refused.
    for limit in ("max-connections", "max-channels"):
        applied.api("DELETE", f"/user-limits/beta/{limit}")
    with connections_of(applied, "beta", MOST_CONNECTIONS + 1) as connections:
        for _ in range(MOST_CHANNELS + 1):
            connections[0].channel()


@contextmanager
def connections_of(place: Place, user: str, number: int) -> Iterator[list[pika.BlockingConnection]]:
    opened: list[pika.BlockingConnection] = []
    try:
        opened.extend(place.broker(user) for _ in range(number))
        yield opened
    finally:
        for connection in opened:
            if connection.is_open:
                connection.close()


def test_lanes_under_a_persons_hold_are_not_switched(applied: Place) -> None:
    applied.sql("insert into writegate.hold (target, reason, holder) values ('alpha.1', 'a look', 'anna')")
    with pytest.raises(ApplyError, match=r"alpha\.1 by anna: a look"):
        applied.switch("alpha", lanes=4)


def test_while_something_emitted_is_on_its_way_to_the_lanes_they_are_not_switched(applied: Place) -> None:
    applied.sql(
        "insert into writegate.outbox (domain, service, task, id, version, fields)"
        " values ('beta', 'alpha', 'alpha.do', gen_random_uuid(), 1, '')"
    )
    with pytest.raises(ApplyError, match=r"what handlers emitted waits for the broker .*Nothing was changed"):
        applied.switch("alpha", lanes=4)
    assert applied.sql("select from writegate.hold") == []
    applied.publish("alpha", "writes.alpha", "0")


def test_what_waits_goes_with_its_key_to_its_new_lane(applied: Place) -> None:
    """Deferred commands, parked ones that hold back their keys, and what was decided before."""
    keys = [f"key-{number}" for number in range(8)]
    for number, key in enumerate(keys):
        applied.sql(_DEFERRED.format(number=number, key=key, lane=lane_of(key, 2), state="deferred"))
        applied.sql(_PARKED.format(number=number, key=key, lane=lane_of(key, 2)))
    applied.sql(_DEFERRED.format(number=99, key="gone", lane=1, state="applied"))
    for lanes in (4, 1):
        applied.apply(lanes=lanes)
        applied.switch("alpha", lanes=lanes)
        applied.apply(lanes=lanes)
        assert applied.plan(lanes=lanes).changes == ()
        for table in ("deferred", "parked"):
            found = applied.sql(f"select key, lane from writegate.{table} where state = '{table}'")
            assert sorted(found, key=str) == [(key, lane_of(key, lanes)) for key in keys]
    assert applied.sql("select lane from writegate.deferred where key = 'gone'") == [(0,)]
    assert applied.sql("select target, detail from writegate.audit order by seq") == [
        ("alpha", {"lanes": 4}), ("alpha", {"lanes": 1}),
    ]  # fmt: skip


_DEFERRED = """
insert into writegate.deferred
       (domain, service, lane, id, ledger_id, task, version, key, hash, reason, headers, raw, state)
values ('alpha', 'alpha', {lane}, '{number}', lpad('{number}', 32, '0')::uuid, 'alpha.do', 1, '{key}', 0, '', '{{}}',
        '', '{state}')
"""
_PARKED = """
insert into writegate.parked (service, lane, id, key, parks_key, hash, cause, message, headers, raw)
values ('alpha', {lane}, '{number}', '{key}', true, 0, 'x', '', '{{}}', '')
"""


def test_a_changed_migration_is_refused(applied: Place) -> None:
    (applied.migrations / "alpha/001_item.sql").write_text("select 1")
    (change,) = applied.plan().changes
    assert (change.action, change.name) == ("refused", "alpha/001_item.sql")


@pytest.mark.parametrize(
    ("sql", "text"),
    [
        ("create table alpha.more (id int); select 1/0", "division by zero"),
        ("create table alpha.more (id int); commit", "COMMIT"),
    ],
)
def test_a_migration_that_fails_is_named_and_not_recorded(applied: Place, sql: str, text: str) -> None:
    (applied.migrations / "alpha/002_more.sql").write_text(sql)
    with pytest.raises(ApplyError, match=text) as raised:
        applied.apply()
    assert "alpha/002_more.sql" in str(raised.value)
    assert applied.sql("select count(*) from writegate.migration where name = '002_more.sql'") == [(0,)]


def test_a_migration_does_not_wait_long_for_a_table_in_use(applied: Place) -> None:
    (applied.migrations / "alpha/002_more.sql").write_text("alter table alpha.item add column n int")
    with closing(applied.login("postgres")) as busy, busy.cursor() as cursor:
        cursor.execute("select from alpha.item")
        with pytest.raises(ApplyError, match=r"alpha/002_more\.sql: a table it needs was in use"):
            applied.apply()
    assert [change.name for change in applied.apply()] == ["alpha/002_more.sql"]


def run(servers: Servers, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, **servers.stack.environment("owner"), **more}
    return preloaded.run("writegate", *arguments, env=environ, timeout=patient(60))


def test_the_commands_with_the_installed_services(bare_servers: Servers, place: Place) -> None:
    there = {
        "WRITEGATE_DATABASE_URL": bare_servers.database_url(database=NAME),
        "WRITEGATE_BROKER_URL": bare_servers.broker_url(vhost=NAME),
    }
    before = run(bare_servers, "plan", "--json", **there)
    assert before.returncode == 2, before.stderr
    assert {change["action"] for change in json.loads(before.stdout)["changes"]} == {"create"}
    assert run(bare_servers, "apply", **there).returncode == 2  # it would ask, and there is no terminal
    assert run(bare_servers, "apply", "--json", **there).returncode == 2
    made = run(bare_servers, "apply", "--yes", "--json", **there)
    assert (made.returncode, json.loads(made.stdout)["changes"]) == (0, []), made.stderr
    unknown = run(bare_servers, "apply", "--yes", "--switch", "flihgts", **there)
    assert unknown.returncode == 1
    assert unknown.stderr == "writegate: no service 'flihgts' is installed: did you mean flights?\n"
    same = run(bare_servers, "apply", "--yes", "--switch", "flights", **there)
    assert (same.returncode, same.stdout) == (0, "nothing to change: broker and database are as declared\n")
    again = run(bare_servers, "apply", "--yes", **there)
    assert (again.returncode, again.stdout) == (0, "nothing to change: broker and database are as declared\n")
    after = run(bare_servers, "plan", **there)
    assert after.returncode == 0
    assert "flights" in after.stdout
    # What is decided and what that takes: nothing yet.
    [fleet] = [share for share in json.loads(made.stdout)["ledger"] if share["service"] == "fleet"]
    assert fleet == {
        "service": "fleet", "retention_seconds": 604800.0, "rows": 0, "rows_last_day": 0, "row_bytes": 150,
        "bytes": 0, "bytes_at_this_rate": 0,
    }  # fmt: skip


@pytest.mark.parametrize("variable", ["WRITEGATE_DATABASE_URL", "WRITEGATE_BROKER_API_URL"])
def test_a_server_that_does_not_answer_is_one_line_and_exit_code_1(bare_servers: Servers, variable: str) -> None:
    scheme = "postgresql" if "DATABASE" in variable else "http"
    done = run(bare_servers, "plan", **{variable: f"{scheme}://u:hidden@127.0.0.1:1/x"})
    assert done.returncode == 1
    assert variable in done.stderr
    assert "hidden" not in done.stderr
    assert done.stderr.count("Traceback") == 0
