"""What a value and a day mean does not depend on what server, database and role are set to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import psycopg2
import pytest

from tests.place import NAME, PASSWORD, Place
from tests.servers import OWNER
from writegate.config import Settings
from writegate.contract.ids import new_id
from writegate_writer.database.session import Session, engine_of
from writegate_writer.database.session_settings import SESSION_SETTINGS
from writegate_writer.database.transaction import commit, enter, leave_role, open_transaction
from writegate_writer.decide.store import Decision, Owner
from writegate_writer.provision.change import ApplyError

WRITER = "writegate_writer"
ODD = {
    "datestyle": "SQL, DMY",
    "intervalstyle": "sql_standard",
    "timezone": "Asia/Tokyo",
    "extra_float_digits": "-5",
    "bytea_output": "escape",
    "array_nulls": "off",
    "xmlbinary": "hex",
    "xmloption": "document",
    "standard_conforming_strings": "off",
    "backslash_quote": "on",
    "transform_null_equals": "on",
    "search_path": "pg_temp",
    "client_encoding": "LATIN1",
    "synchronous_commit": "off",
    "default_transaction_isolation": "serializable",
    "default_transaction_deferrable": "on",
}


@pytest.fixture
def odd(applied: Place) -> Iterator[Place]:
    """A database and a role whose sessions have odd settings."""
    for name, value in ODD.items():
        applied.sql(f"ALTER ROLE {WRITER} SET {name} = {value if ',' in value else repr(value)}")
        applied.sql(f"ALTER DATABASE {NAME} SET {name} = {value if ',' in value else repr(value)}")
    yield applied
    applied.sql(f"ALTER ROLE {WRITER} RESET ALL")


def writer_settings(place: Place) -> Settings:
    return Settings.load(
        {
            "WRITEGATE_BROKER_URL": place.servers.broker_url(vhost=NAME),
            "WRITEGATE_DATABASE_URL": place.servers.database_url(WRITER, NAME, PASSWORD),
        }
    )


def shown(run: Any) -> dict[str, str]:
    return {name: run(f"SHOW {name}")[0][0] for name in SESSION_SETTINGS}


def test_the_writers_session_sets_all_on_which_a_value_depends(applied: Place, odd: Place) -> None:
    with closing(Session(engine_of(writer_settings(odd), "test"))) as session:
        found = shown(session.run)
        span = session.run("SELECT '-1 days +86399 seconds'::interval = '-1 second'::interval")
        texts = session.run("SELECT ('{NULL}'::text[])[1] IS NULL, '\\x00ff'::bytea::text, 'a\\b'")
    with closing(odd.login(WRITER)) as plain, plain.cursor() as cursor:

        def run(text: str) -> list[tuple[Any, ...]]:
            cursor.execute(text)
            return cursor.fetchall()

        # The negative control: a session of the same role that sets nothing has the odd values.
        differing = {name for name, value in shown(run).items() if value != found[name]}
    assert differing >= set(ODD)
    assert found["timezone"] == "UTC"
    assert found["synchronous_commit"] == "on"
    assert span == [(True,)]
    assert texts == [(True, "\\x00ff", "a\\b")]


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Etc/GMT+12"])  # UTC+14 and UTC-12: the widest there are
def test_the_ledgers_days_are_those_of_utc(applied: Place, zone: str) -> None:
    applied.sql(f"ALTER DATABASE {NAME} SET timezone = '{zone}'")
    id_ = new_id()
    [(epoch,)] = applied.sql("SELECT epoch FROM writegate.domain WHERE name = 'alpha'")
    owner = Owner("a-writer", "alpha", int(str(epoch)), 10.0)
    with closing(Session(engine_of(writer_settings(applied), "test"))) as session:
        # As a handler may leave it behind.
        session.run(f"SET timezone = '{zone}'")
        today = datetime.now(UTC).date()
        opened = open_transaction(session, owner, "alpha", [id_], today)
        enter(session, owner, opened, "alpha", 1)
        assert leave_role(session, owner, opened, "alpha", [Decision(id_, "a", 7)], None)
        commit(session, "alpha")
        for elsewhere in ("Pacific/Kiritimati", "Etc/GMT+12"):
            session.run(f"SET timezone = '{elsewhere}'")
            known = open_transaction(session, owner, "alpha", [id_], today).known
            session.roll_back()
            assert set(known) == {id_}, elsewhere
    assert applied.sql("SELECT day FROM writegate.ledger") == [(today,)]


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_database_that_is_not_utf8_is_refused(place: Place, encoding: str) -> None:
    with closing(place.servers.superuser()) as opened, opened.cursor() as cursor:
        cursor.execute(f'drop database "{NAME}" with (force)')
        cursor.execute(f"create database \"{NAME}\" owner {OWNER} encoding '{encoding}' template template0 locale 'C'")
    with pytest.raises(ApplyError, match=f"has the encoding {encoding}.*expected a database made with"):
        place.apply()
    with closing(psycopg2.connect(place.servers.database_url(OWNER, NAME))) as opened, opened.cursor() as cursor:
        cursor.execute("select count(*) from pg_namespace where nspname = 'writegate'")
        assert cursor.fetchone() == (0,)
