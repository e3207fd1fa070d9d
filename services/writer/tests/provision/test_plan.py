"""What differs between the declared and the actual, as plain data."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.declared import service
from writegate.message.topology import Binding
from writegate_writer.handlers.domains import DeclaredDomain, domains_of
from writegate_writer.provision.broker import password_matches
from writegate_writer.provision.broker_diff import (
    WRITER_PERMISSION,
    BrokerState,
    Permission,
    desired_broker,
    diff_broker,
    publisher_permission,
)
from writegate_writer.provision.change import BrokerRequest, Change, Membership, Migration, Removal
from writegate_writer.provision.database_diff import DatabaseState, desired_database, diff_database
from writegate_writer.provision.grants import Grant, Objects, desired_grants
from writegate_writer.provision.lanes_diff import diff_domains, switched

FLIGHTS = service("flights", "flights.flight", lanes=2)
OTHER = service("weather", "weather.observation")
MIGRATION = Migration("flights", "001.sql", "h1", "create table")
DESIRED = desired_database([FLIGHTS], [MIGRATION], connections=5)
BROKER = desired_broker("/", [FLIGHTS.service])
OBJECTS = Objects(
    tables=frozenset({("flights", "flight"), ("writegate", "ledger")}),
    sequences={("flights", "flight"): frozenset({("flights", "flight_seq")})},
    functions=frozenset({("writegate", "fence")}),
)


def applied() -> DatabaseState:
    """A database to which all of DESIRED was applied."""
    return DatabaseState(
        migrations={("flights", "001.sql"): "h1"},
        roles=DESIRED.roles,
        members=frozenset({("writegate_service_flights", "writegate_writer")}),
        objects=OBJECTS,
        grants=desired_grants([FLIGHTS], OBJECTS),
        domains={domain.name: (domain.tables, domain.reason) for domain in DESIRED.domains},
        lanes={lane: domain.name for domain in DESIRED.domains for lane in domain.lanes},
        recorded={"flights": (timedelta(days=7), tuple(sorted(FLIGHTS.service.commands)))},
    )


def named(changes: list[Change]) -> list[tuple[str, str, str]]:
    return [(change.action, change.kind, change.name) for change in changes]


def test_nothing_differs_from_itself() -> None:
    assert diff_broker(BROKER, BROKER) == []
    assert diff_database(DESIRED, applied()) == []


@pytest.mark.parametrize("name", ["fsync", "full_page_writes"])
def test_a_server_that_may_lose_commits_is_named_and_refused(name: str) -> None:
    [change] = diff_database(DESIRED, replace(applied(), unsafe_settings=(name,)))
    assert (change.action, change.name, change.step) == ("refused", name, None)
    assert "set it to on" in change.detail


def test_a_fresh_database_needs_roles_before_migrations_before_grants_before_domains() -> None:
    kinds = [change.kind for change in diff_database(DESIRED, DatabaseState())]
    assert list(dict.fromkeys(kinds)) == ["role", "migration", "membership", "grant", "service", "domain"]


def test_a_fresh_broker_needs_exchanges_before_queues_before_bindings_before_users() -> None:
    changes = diff_broker(BROKER, BrokerState("/", exists=False))
    assert list(dict.fromkeys(change.kind for change in changes)) == [
        "vhost", "exchange", "queue", "binding", "broker user", "permission", "limit",
    ]  # fmt: skip


def test_each_thing_that_went_missing_is_named() -> None:
    bindings = BROKER.bindings - {Binding("writes.flights", "writes.flights.0", "any")}
    queues = {name: arguments for name, arguments in BROKER.queues.items() if name != "writes.flights.1"}
    users = {**BROKER.users, "flights": Permission(".*", ".*", ".*")}
    assert named(diff_broker(BROKER, replace(BROKER, bindings=bindings, queues=queues, users=users))) == [
        ("create", "queue", "writes.flights.1"),
        ("create", "binding", "writes.flights -> writes.flights.0"),
        ("change", "permission", "flights"),
    ]


def test_only_reader_and_writer_open_the_management_api_and_may_change_nothing_there() -> None:
    fresh = diff_broker(BROKER, BrokerState("/", exists=False))
    tags = {
        change.name: change.step.body["tags"]
        for change in fresh
        if change.kind == "broker user" and isinstance(change.step, BrokerRequest)
    }
    assert tags == {"writegate_writer": "monitoring", "writegate_reader": "monitoring", "flights": ""}
    assert BROKER.users["writegate_reader"] == Permission("^$", "^$", "^$")
    assert named(diff_broker(BROKER, replace(BROKER, monitors=frozenset()))) == [
        ("change", "broker user", "writegate_writer"),
        ("change", "broker user", "writegate_reader"),
    ]


def test_a_queue_with_other_arguments_is_refused_and_left_alone() -> None:
    queues = {**BROKER.queues, "writes.flights.0": {**BROKER.queues["writes.flights.0"], "x-max-length": 7}}
    (change,) = diff_broker(BROKER, replace(BROKER, queues=queues))
    assert (change.action, change.name, change.step) == ("refused", "writes.flights.0", None)
    assert "x-max-length is 7, expected 2000000" in change.detail


def test_a_changed_migration_is_refused_and_asks_for_a_new_file() -> None:
    (change,) = diff_database(DESIRED, replace(applied(), migrations={("flights", "001.sql"): "other"}))
    assert change.action == "refused"
    assert "new file" in change.detail


def test_a_changed_retention_is_recorded() -> None:
    (change,) = diff_database(DESIRED, replace(applied(), recorded={"flights": (timedelta(days=3), ())}))
    assert (change.action, change.kind, change.name) == ("change", "service", "flights")
    assert change.detail.startswith("duplicates are recognised for 7 days; commands")


def test_missing_rights_are_granted_and_undeclared_ones_revoked() -> None:
    missing = Grant("writegate_service_flights", "table", ("flights", "flight"), "UPDATE")
    extra = Grant("writegate_service_flights", "table", ("weather", "observation"), "SELECT")
    actual = applied()
    granted, revoked = diff_database(DESIRED, replace(actual, grants=actual.grants - {missing} | {extra}))
    assert granted.detail == "grant UPDATE on table flights.flight"
    assert revoked.detail == "revoke SELECT on table weather.observation"


def test_a_service_has_no_right_in_our_schema_nor_on_others_tables() -> None:
    rights = desired_grants([FLIGHTS, service("weather", "weather.observation")], OBJECTS)
    paths = {grant.path for grant in rights if grant.role == "writegate_service_flights"}
    assert paths == {("flights",), ("flights", "flight"), ("flights", "flight_seq")}


def test_a_declared_table_that_no_migration_makes_is_refused() -> None:
    actual = replace(applied(), objects=Objects(functions=OBJECTS.functions))
    assert ("refused", "table", "flights.flight") in named(diff_database(DESIRED, actual))


def test_a_superuser_as_writer_is_refused() -> None:
    roles = {**DESIRED.roles, "writegate_writer": replace(DESIRED.roles["writegate_writer"], superuser=True)}
    assert ("refused", "role", "writegate_writer") in named(diff_database(DESIRED, replace(applied(), roles=roles)))


def test_a_role_of_a_service_may_be_member_of_nothing() -> None:
    actual = applied()
    extra = ("pg_read_all_data", "writegate_service_flights")
    (change,) = diff_database(DESIRED, replace(actual, members=actual.members | {extra}))
    assert change.detail == "no longer member of pg_read_all_data"


def test_lanes_that_exist_are_neither_added_nor_moved() -> None:
    more = domains_of([service("flights", "flights.flight", lanes=3)])
    actual = applied()
    (change,) = diff_domains(more, actual.domains, actual.lanes)
    assert named([change]) == [("refused", "domain", "flights")]
    assert "flights has 2 lane(s), declared 3" in change.detail
    assert "`writegate apply --switch flights`" in change.detail


def test_until_it_is_switched_a_service_keeps_its_lanes_and_routes_those_of_both_numbers() -> None:
    wanted = desired_broker("/", [service("flights", "flights.flight", lanes=4).service], {"flights": 2})
    changes = diff_broker(wanted, BROKER)
    assert [(change.name, change.detail) for change in changes] == [
        ("writes.flights -> writes.flights.0", "routing key 2"),
        ("writes.flights -> writes.flights.1", "routing key 3"),
    ]


def test_lanes_that_are_no_more_lead_to_those_that_are_and_their_queues_go() -> None:
    wide = desired_broker("/", [service("flights", "flights.flight", lanes=3).service])
    debug = Binding("writes.flights", "somebody_s", "0")
    changes = diff_broker(BROKER, replace(wide, bindings=wide.bindings | {debug}))
    assert [(change.kind, change.name, change.detail) for change in changes] == [
        ("binding", "writes.flights -> writes.flights.0", "routing key 2"),
        ("binding", "writes.flights -> writes.flights.2", "routing key 2 no longer"),
        ("queue", "writes.flights.2", "flights has 2 lane(s): deleted if it is empty"),
    ]
    assert changes[-1].step == Removal("writes.flights.2")


def test_a_switch_that_was_interrupted_leaves_publishers_to_be_let_in_last() -> None:
    shut_out = {"max-connections": 0, "max-channels": 1000}
    limits = {**BROKER.limits, "flights": shut_out, "a stranger": shut_out}
    assert diff_broker(BROKER, replace(BROKER, limits=limits, users={}))[-1].name == "flights"
    (change,) = diff_broker(BROKER, replace(BROKER, limits=limits))
    assert "let in again" in change.detail
    assert change.step == BrokerRequest("PUT", ("user-limits", "flights", "max-connections"), {"value": 200})


def test_users_without_limits_get_them_and_a_changed_one_is_put_back() -> None:
    missing = diff_broker(BROKER, replace(BROKER, limits={}))
    assert {change.name for change in missing} == set(BROKER.users)
    assert named(missing).count(("create", "limit", "flights")) == 2
    limits = {**BROKER.limits, "flights": {"max-connections": 200, "max-channels": 7}}
    (change,) = diff_broker(BROKER, replace(BROKER, limits=limits))
    assert (change.action, change.detail) == ("change", "max-channels 1000, it is 7")
    assert change.step == BrokerRequest("PUT", ("user-limits", "flights", "max-channels"), {"value": 1000})


@pytest.mark.parametrize(("before", "after"), [(2, 4), (4, 2)])
@pytest.mark.parametrize("keys_own_rows", [False, True])
def test_a_switch_gives_a_service_the_lanes_that_it_declares(before: int, after: int, keys_own_rows: bool) -> None:
    def domains(lanes: int) -> tuple[DeclaredDomain, ...]:
        return domains_of([service("flights", "flights.flight", lanes=lanes, keys_own_rows=keys_own_rows), OTHER])

    there = {domain.name: (domain.tables, domain.reason) for domain in domains(before)}
    lanes = {lane: domain.name for domain in domains(before) for lane in domain.lanes}
    step, refused = switched(["flights"], domains(after), there, lanes)
    assert refused == {}
    assert step == Membership(
        tuple(domain for domain in domains(after) if domain.services == ("flights",)), {"flights": after}
    )


def test_a_switch_leaves_nobody_behind_and_switches_nobody_else() -> None:
    shared = domains_of([service("flights", "t", lanes=3), service("fleet", "t", lanes=2)])
    lanes = {("flights", 0): "fleet+flights", ("fleet", 0): "fleet+flights", ("gate", 0): "fleet+flights"}
    domains = {"fleet+flights": (("t",), "")}
    _, refused = switched(["flights"], shared, domains, lanes)
    assert "fleet has 1 lane(s), declared 2" in refused["fleet+flights"]
    _, refused = switched(["flights", "fleet"], shared, domains, lanes)
    assert "gate would be left" in refused["fleet+flights"]


def test_services_that_come_to_share_a_table_change_their_domains_together() -> None:
    joined = domains_of([FLIGHTS, service("fleet", "flights.flight")])
    actual = applied()
    (change,) = diff_domains(joined, actual.domains, actual.lanes)
    assert named([change]) == [("change", "domains", "fleet+flights")]
    assert change.step == Membership(joined)
    assert change.detail == "the lanes of flights to fleet+flights: fleet and flights share flights.flight"


def test_a_service_that_leaves_a_domain_leaves_nobody_behind_unawares() -> None:
    fleet = service("fleet", "fleet.aircraft")
    lanes = {("fleet", 0): "fleet+flights", ("flights", 0): "fleet+flights", ("flights", 1): "fleet+flights"}
    domains = {"fleet+flights": (("fleet.aircraft",), "")}
    (change,) = diff_domains(domains_of([FLIGHTS, fleet]), domains, lanes)
    assert named([change]) == [("change", "domains", "fleet, flights")]
    (change,) = diff_domains(domains_of([fleet]), domains, lanes)
    assert change.action == "refused"
    assert "flights" in change.detail
    other_number = domains_of([service("flights", "flights.flight", lanes=3), fleet])
    assert {change.action for change in diff_domains(other_number, domains, lanes)} == {"refused"}


def test_rights_are_taken_away_once_the_domain_is_parted() -> None:
    """Until then a writer that is not deployed anew yet writes what they are for, and would hold its command type."""
    extra = Grant("writegate_service_flights", "table", ("fleet", "aircraft"), "UPDATE")
    actual = applied()
    shared = replace(
        actual,
        grants=actual.grants | {extra},
        domains={"fleet+flights": (("flights.flight",), "")},
        lanes=dict.fromkeys(actual.lanes, "fleet+flights"),
    )
    assert [change.kind for change in diff_database(DESIRED, shared)] == ["domains", "grant"]


def test_keys_that_come_to_own_their_rows_make_each_lane_a_domain() -> None:
    desired = domains_of([service("flights", "flights.flight", lanes=2, keys_own_rows=True)])
    actual = applied()
    (change,) = diff_domains(desired, actual.domains, actual.lanes)
    assert named([change]) == [("change", "domains", "flights.0, flights.1")]


def test_a_table_shared_with_a_service_that_is_not_installed_is_refused() -> None:
    actual = applied()
    (change,) = diff_domains(domains_of([service("audit", "flights.flight")]), actual.domains, actual.lanes)
    assert change.action == "refused"
    assert "flights writes flights.flight too" in change.detail


def test_a_new_table_changes_the_domain_but_not_its_lanes() -> None:
    actual = applied()
    desired = domains_of([service("flights", "flights.flight", "flights.day", lanes=2)])
    assert named(list(diff_domains(desired, actual.domains, actual.lanes))) == [("change", "domain", "flights")]


def test_permissions_are_as_narrow_as_the_work() -> None:
    assert publisher_permission("a_b") == Permission("^$", r"^writes\.a_b$", "^$")
    assert WRITER_PERMISSION.configure.startswith("^(")
    assert "writes" not in WRITER_PERMISSION.configure


def test_a_password_is_compared_with_the_salted_hash() -> None:
    salt = b"\x01\x02\x03\x04"
    hash_ = base64.b64encode(salt + hashlib.sha256(salt + b"right").digest()).decode()
    user = {"password_hash": hash_, "hashing_algorithm": "rabbit_password_hashing_sha256"}
    assert password_matches(user, "right")
    assert not password_matches(user, "wrong")
    assert password_matches({**user, "hashing_algorithm": "somebody's own"}, "wrong")
