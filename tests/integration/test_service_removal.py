"""A service whose folder was deleted: `plan` shows what is left of it, and `writegate service remove` takes it away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from pika.exceptions import AMQPConnectionError

from tests.place import PASSWORD, Place, passwords
from writegate_writer.provision.change import ApplyError
from writegate_writer.provision.plan import Applier, opened


@contextmanager
def without_beta(place: Place) -> Iterator[Applier]:
    services = {"alpha": place.services()["alpha"]}
    with opened(place.settings(), services, passwords(PASSWORD)) as applier:
        yield applier


def remove(place: Place, seconds: float = 0.5) -> list[str]:
    lines: list[str] = []
    with without_beta(place) as applier:
        applier.remove("beta", seconds, lines.append)
    return lines


def test_what_is_left_of_a_deleted_service_is_shown_and_no_difference(applied: Place) -> None:
    with without_beta(applied) as applier:
        plan = applier.plan()
    [orphan] = plan.orphans
    assert orphan.service == "beta"
    assert orphan.parts == (
        "the broker user beta, who may publish",
        "the exchange writes.beta",
        "2 queue(s)",
        "1 lane(s) in the database",
        "its record in writegate.service",
    )
    assert plan.changes == ()
    assert applied.plan().orphans == (), "the control: where it is installed it is none"


def test_it_is_removed_from_both_servers_and_its_tables_stay(applied: Place) -> None:
    lines = remove(applied)
    assert "Restart the writers without it" in lines[-1]
    with without_beta(applied) as applier:
        plan = applier.plan()
    assert (plan.orphans, plan.changes) == ((), ())
    with pytest.raises(AMQPConnectionError):
        applied.publish("beta", "writes.beta", "0")
    assert applied.sql("select count(*) from beta.item") == [(0,)]
    assert applied.sql("select from pg_roles where rolname = 'writegate_service_beta'") == []
    assert applied.sql("select name from writegate.domain") == [("alpha",)]
    assert applied.sql("select action, target from writegate.audit") == [("remove", "beta")]
    applied.publish("alpha", "writes.alpha", "0")
    with without_beta(applied) as applier, pytest.raises(ApplyError, match="there is nothing of a service 'beta'"):
        applier.remove("beta", 0.5, lambda _: None)


def test_what_waits_is_not_lost_and_its_publisher_is_let_in_again(applied: Place) -> None:
    applied.publish("beta", "writes.beta", "0")
    with pytest.raises(ApplyError, match=r"1 message\(s\) wait in writes\.beta\.0 .*Nothing was removed"):
        remove(applied)
    applied.publish("beta", "writes.beta", "0")
    assert applied.plan().changes == ()


def test_parked_commands_are_decided_first(applied: Place) -> None:
    applied.sql(
        "insert into writegate.parked (service, lane, id, hash, cause, message, headers, raw)"
        " values ('beta', 0, 'x', 0, 'x', '', '{}', '')"
    )
    with pytest.raises(ApplyError, match=r"1 commands are parked .*Nothing was removed"):
        remove(applied)
    assert applied.plan().changes == ()


def test_an_installed_service_is_not_removed(applied: Place) -> None:
    refused = pytest.raises(ApplyError, match="beta is installed here")
    with opened(applied.settings(), applied.services(), passwords(PASSWORD)) as applier, refused:
        applier.remove("beta", 0.5, lambda _: None)
