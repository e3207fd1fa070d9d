"""Ready-made handlers that say no, on a real PostgreSQL. The twin compares them with commands one at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection, Engine
from sqlalchemy.dialects import postgresql

from tests.servers import SUPERUSER, Servers
from writegate import Command, Service
from writegate_writer.handlers import rows

METADATA = sa.MetaData(schema="Rows")
TICKET = sa.Table(
    "Ticket%",
    METADATA,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("mail", sa.Text, unique=True),
    sa.Column("doc", sa.JSON(none_as_null=True)),
)
PRICED = sa.Table(
    "priced",
    METADATA,
    sa.Column("price", sa.Numeric(10, 2), primary_key=True),
    sa.Column("note", sa.Text),
    sa.Column("count", sa.Integer),
)
BOOKING = sa.Table(
    "booking",
    METADATA,
    sa.Column("room", sa.Integer, primary_key=True),
    sa.Column("during", postgresql.INT4RANGE),
    postgresql.ExcludeConstraint(("during", "&&")),
)


class Ticket(Command):
    """Its number is the database's."""

    mail: str | None
    doc: Any = None


class Priced(Command):
    """A command whose key is equal to another's only once the column has rounded it."""

    price: Decimal
    note: str = ""
    count: int | None = 1


class Book(Command, key="room"):
    """Two rooms cannot be booked at once, whatever their numbers."""

    room: int
    during: str


Service("rows_declining", commands=[Ticket, Priced, Book])


@pytest.fixture(scope="module")
def engine(servers: Servers) -> Iterator[Engine]:
    servers.create_database("rows_declining_test")
    url = servers.database_url(SUPERUSER, "rows_declining_test").replace("postgresql", "postgresql+psycopg2", 1)
    made = sa.create_engine(url)
    with made.begin() as connection:
        connection.exec_driver_sql('create schema "Rows"')
        METADATA.create_all(connection)
    yield made
    made.dispose()


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    """A connection whose work is rolled back after the test."""
    with engine.connect() as opened:
        yield opened
        opened.rollback()


def applied(connection: Connection, handler: rows.Handler, commands: Sequence[Command]) -> list[bool]:
    """Return which of the commands were applied: for all others there is a reason."""
    declined = handler(connection, commands) or {}
    assert {answer.reason for answer in declined.values()} <= {"no"}
    return [command.command_id not in declined for command in commands]


def test_without_its_key_a_row_declines_by_any_of_its_constraints(connection: Connection) -> None:
    handler = rows.insert(TICKET, decline_on="conflict", reason="no")
    mails = ["a", "b", "a", None, None, "b", "%s 100%"]
    commands = [Ticket(mail=mail, doc={"of": mail}) for mail in mails]
    assert applied(connection, handler, commands) == [True, True, False, True, True, False, True]
    assert applied(connection, handler, commands[:2]) == [False, False]
    kept = connection.execute(sa.select(TICKET.c.mail, TICKET.c.doc).order_by(TICKET.c.id)).all()
    assert kept == [(mail, {"of": mail}) for mail in ("a", "b", None, None, "%s 100%")]


def test_an_exclusion_is_a_conflict(connection: Connection) -> None:
    handler = rows.insert(BOOKING, decline_on="conflict", reason="no")
    commands = [Book(room=room, during=during) for room, during in [(1, "[1,5)"), (2, "[4,6)"), (3, "[5,9)")]]
    assert applied(connection, handler, commands) == [True, False, True]


def test_inserts_that_exclude_each_other_keep_their_order(connection: Connection) -> None:
    """The second gets in because the first of its key did not, and so it keeps the third out."""
    handler = rows.insert(BOOKING, decline_on="conflict", reason="no")
    assert applied(connection, handler, [Book(room=9, during="[1,5)")]) == [True]
    commands = [Book(room=room, during=during) for room, during in [(1, "[2,3)"), (1, "[6,8)"), (2, "[7,9)")]]
    assert applied(connection, handler, commands) == [False, True, False]


def test_keys_are_equal_as_the_database_says(connection: Connection) -> None:
    insert = rows.insert(PRICED, decline_on="conflict", reason="no")
    commands = [Priced(price=Decimal(price)) for price in ("1.001", "1.004", "1.0", "2")]
    assert applied(connection, insert, commands) == [True, False, False, True]
    upsert = rows.upsert(PRICED, where=lambda row, given: row.count < given.count, reason="no")
    commands = [Priced(price=Decimal(price), count=count) for price, count in [("1.004", 5), ("1.001", 5), ("1", 6)]]
    assert applied(connection, upsert, commands) == [True, False, True]
    assert connection.scalar(sa.select(PRICED.c.count).where(PRICED.c.price == 1)) == 6


def test_a_condition_is_told_as_it_is_written(connection: Connection) -> None:
    rows.upsert(PRICED)(connection, [Priced(price=Decimal(1), note="100% it's \\"), Priced(price=Decimal(2), note="b")])
    delete = rows.delete(PRICED, where=lambda row, _: row.note.like("%0\\% it's%"), reason="no")
    commands = [Priced(price=Decimal(price)) for price in (1, 2, 3, 1)]
    assert applied(connection, delete, commands) == [True, False, False, False]
    assert connection.scalars(sa.select(PRICED.c.note)).all() == ["b"]


def test_what_is_unknown_is_no_yes(connection: Connection) -> None:
    rows.upsert(PRICED)(connection, [Priced(price=Decimal(1), count=None), Priced(price=Decimal(2), count=1)])
    handler = rows.increment(PRICED, by={"count": 1}, where=lambda row, _: row.count < 3, reason="no")
    commands = [Priced(price=Decimal(price)) for price in (1, 2, 2, 2, 3)]
    assert applied(connection, handler, commands) == [False, True, True, False, False]
    assert dict(iter(connection.execute(sa.select(PRICED.c.price, PRICED.c.count)))) == {1: None, 2: 3}


def test_a_call_is_a_statement_for_each_command_of_the_busiest_row(connection: Connection) -> None:
    handler = rows.insert(PRICED, decline_on="conflict", reason="no")
    assert applied(connection, handler, [Priced(price=Decimal(1000))]) == [True], (
        "the columns' types are asked for once"
    )
    sent: list[str] = []
    sa.event.listen(connection, "before_cursor_execute", lambda *arguments: sent.append(arguments[2]))
    commands = [Priced(price=Decimal(price)) for price in [*range(500), 1, 2, 1]]
    assert applied(connection, handler, commands) == [True] * 500 + [False] * 3
    assert len(sent) == 3, "up to the first of each that comes again"
