"""What `apply` makes of migrations: what depends on them, and a database that has had more of them."""

from __future__ import annotations

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, Text

from tests.place import NAME, PASSWORD, Place, passwords
from writegate import Service
from writegate.contract.targets import BUILT_IN
from writegate_writer import Writes
from writegate_writer.provision.change import ApplyError
from writegate_writer.provision.plan import opened
from writegate_writer.provision.render.sql import sql as script_of

RENAMED: dict[str, tuple[str, str]] = {
    "renamed": ("alter table alpha.item rename to thing", "thing"),
    "moved": ("create schema alpha_new; alter table alpha.item set schema alpha_new", "alpha_new.item"),
    "dropped": ("drop table alpha.item; create table alpha.thing (id serial primary key, text text)", "thing"),
}


@pytest.mark.parametrize("how", RENAMED)
def test_a_table_that_its_migration_takes_away_is_changed_in_one_apply(applied: Place, how: str) -> None:
    """What is to be revoked on the old name is decided after the migration, which took the rights along or away."""
    sql, name = RENAMED[how]
    (applied.migrations / "alpha/002_more.sql").write_text(sql)
    schema, _, bare = name.rpartition(".")
    metadata = MetaData(schema=schema or "alpha")
    moved = Table(bare, metadata, Column("id", Integer, primary_key=True), Column("text", Text))
    services = {
        **applied.services(),
        "alpha": Writes(
            Service("alpha", commands=[], lanes=2), tables=[moved], migrations=applied.migrations / "alpha"
        ),
    }
    with opened(applied.settings(), services, passwords(PASSWORD)) as applier:
        applier.apply(applier.plan(), lambda _: None)
        assert applier.plan().changes == ()
    may = "select has_table_privilege('writegate_service_alpha', %s, 'insert')"
    assert applied.sql(may.replace("%s", f"'{schema or 'alpha'}.{bare}'")) == [(True,)]


@pytest.mark.parametrize("service", ["alpha", BUILT_IN])
def test_what_is_older_than_the_database_is_refused_whole_and_the_missing_migrations_are_named(
    applied: Place, service: str
) -> None:
    """Somebody else has applied more; this checkout would revoke what that needs."""
    applied.sql(f"insert into writegate.migration (service, name, hash) values ('{service}', '002_more.sql', 'x')")
    applied.sql("grant select on beta.item to writegate_service_alpha")
    applied.api("DELETE", f"/bindings/{NAME}/e/writes.beta/q/writes.beta.0/any")
    plan = applied.plan()
    assert [(change.action, change.kind, change.name) for change in plan.changes] == [
        ("refused", "migration", f"{service}/002_more.sql")
    ]
    assert "the database is ahead" in plan.changes[0].detail
    assert applied.apply() == []
    with pytest.raises(ApplyError, match=rf"{service}/002_more\.sql.*the database is ahead"):
        applied.switch("alpha", lanes=4)
    done = applied.psql(script_of(applied.declared().database))
    assert done.returncode != 0
    assert f"it has had the migrations {service}/002_more.sql" in done.stderr
    assert applied.sql("select has_table_privilege('writegate_service_alpha', 'beta.item', 'select')") == [(True,)]
    applied.sql("delete from writegate.migration where name = '002_more.sql'")
    assert {change.kind for change in applied.plan().changes} == {"grant", "binding"}, "the control"


def test_migrations_of_services_that_are_not_installed_here_are_no_sign_of_age(applied: Place) -> None:
    applied.sql("insert into writegate.migration (service, name, hash) values ('gamma', '001.sql', 'x')")
    assert applied.plan().changes == ()
