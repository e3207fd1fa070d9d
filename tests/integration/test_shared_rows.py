"""A service that says that its keys own their rows, and is wrong: its own tests can find that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

import pytest
from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Integer,
    MetaData,
    Table,
    Text,
    create_engine,
    func,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.pool import NullPool

from flights.writes import writes as flights_writes
from tests.demo.before import create_database
from tests.example_commands import departure, observe
from tests.servers import Servers
from weather.writes import writes as weather_writes
from writegate import Command, Service
from writegate.errors import DeclarationError
from writegate_writer import Writes
from writegate_writer.testing import find_shared_rows

metadata = MetaData(schema="shop")
customer = Table("customer", metadata, Column("name", Text, primary_key=True), Column("mail", Text))
order = Table("order", metadata, Column("id", Integer, primary_key=True), Column("customer", Text))
total = Table("total", metadata, Column("day", Text, primary_key=True), Column("orders", Integer))
log = Table("log", metadata, Column("line", Text))
SCHEMA = """
CREATE SCHEMA shop;
CREATE TABLE shop.customer (name text PRIMARY KEY, mail text UNIQUE);
CREATE TABLE shop."order" (id serial PRIMARY KEY, customer text NOT NULL REFERENCES shop.customer);
CREATE TABLE shop.total (day text PRIMARY KEY, orders int NOT NULL);
CREATE TABLE shop.log (line text);
INSERT INTO shop.customer VALUES ('ann', 'ann@x'), ('bob', NULL);
"""


class Place(Command, key="number"):
    """Order something."""

    number: str
    customer: str = "ann"


class Remove(Command, key="name"):
    """A customer goes."""

    name: str


class Write(Command, key="name"):
    """A customer has another address."""

    name: str
    mail: str | None


class Look(Command, key="number"):
    """Lock a customer, and change nothing."""

    number: str
    customer: str


shop = Service("shop", commands=[Place, Remove, Write, Look], lanes=4, keys_own_rows=True)
writes = Writes(shop, tables=[customer, order, total])
counting = Writes(shop, tables=[customer, order, total])


@writes.handler(Place)
def place(connection: Connection, commands: Sequence[Place]) -> None:
    connection.execute(insert(order), [{"customer": one.customer} for one in commands])


@counting.handler(Place)
def place_and_count(connection: Connection, commands: Sequence[Place]) -> None:
    place(connection, commands)
    counted = insert(total).values(day="today", orders=len(commands))
    more = {"orders": total.c.orders + counted.excluded.orders}
    connection.execute(counted.on_conflict_do_update(index_elements=[total.c.day], set_=more))


@writes.handler(Remove)
def remove(connection: Connection, commands: Sequence[Remove]) -> None:
    connection.execute(customer.delete().where(customer.c.name.in_([one.name for one in commands])))


@writes.each(Write)
def write(connection: Connection, command: Write) -> None:
    connection.execute(update(customer).where(customer.c.name == command.name).values(mail=command.mail))


@writes.each(Look)
def look(connection: Connection, command: Look) -> None:
    connection.execute(select(customer).where(customer.c.name == command.customer).with_for_update())


@pytest.fixture(scope="module")
def engine(servers: Servers) -> Iterator[Engine]:
    url = create_database(servers, "test_shared_rows")
    made = create_engine(url.replace("postgresql:", "postgresql+psycopg2:"), poolclass=NullPool)
    with made.begin() as connection:
        connection.execute(text(SCHEMA))
    yield made
    made.dispose()


def found(engine: Engine, service: Writes, *commands: Command) -> list[tuple[str, tuple[tuple[str, str], ...]]]:
    return [(one.table, one.row) for one in find_shared_rows(engine, service, commands)]


def test_a_total_that_all_keys_add_to_is_named_with_both_commands(engine: Engine) -> None:
    first, second = Place(number="1"), Place(number="2", customer="bob")
    [one] = find_shared_rows(engine, counting, [first, first, second])
    assert (one.table, one.row, one.first, one.second) == ("shop.total", (("day", '"today"'),), first, second)
    assert "shop.total (day = \"today\") is touched by shop.place of key '1'" in str(one)


def test_rows_of_one_key_and_a_parent_of_two_are_no_fault(engine: Engine) -> None:
    again = [Place(number=number) for number in ("1", "2", "1", "2")]
    assert found(engine, writes, *again) == []


@pytest.mark.parametrize(
    ("first", "second", "row"),
    [
        (Look(number="1", customer="ann"), Look(number="2", customer="ann"), (("name", '"ann"'),)),
        (Write(name="ann", mail="new@x"), Look(number="2", customer="ann"), (("name", '"ann"'),)),
        (Look(number="1", customer="bob"), Remove(name="bob"), (("name", '"bob"'),)),
        (Write(name="ann", mail=None), Write(name="bob", mail="ann@x"), None),  # refused: ann has it
        (Write(name="bob", mail="one@x"), Write(name="ann", mail="one@x"), (("mail", '"one@x"'),)),
    ],
    ids=["lock and lock", "change and lock", "lock and delete", "a value that is taken", "one value of a unique index"],
)
def test_what_two_keys_touch_is_found(
    engine: Engine, first: Command, second: Command, row: tuple[tuple[str, str], ...] | None
) -> None:
    if row is None:
        with pytest.raises(Exception, match="duplicate key value"):
            find_shared_rows(engine, writes, [first, second])
    else:
        assert ("shop.customer", row) in found(engine, writes, first, second)
    with engine.connect() as connection:
        rows = connection.execute(select(customer).order_by(customer.c.name)).all()
        assert [tuple(one) for one in rows] == [("ann", "ann@x"), ("bob", None)]
        assert connection.execute(select(func.count()).select_from(order)).scalar() == 0


def test_rows_that_cannot_be_told_apart(engine: Engine) -> None:
    with pytest.raises(DeclarationError, match=r"shop\.log has no primary key"):
        find_shared_rows(engine, Writes(shop, tables=[log]), [])


def test_the_services_here(engine: Engine) -> None:
    hours = [observe(f"2013-01-01T{hour:02}:00:00Z", rain=rain) for hour in range(3) for rain in (0, 1)]
    assert found(engine, weather_writes, *hours) == []
    later = departure().model_copy(update={"day": date(2013, 1, 1), "number": 7})
    shared = {table for table, _ in found(engine, flights_writes, departure(), later)}
    assert shared == {"flights.airport_day", "flights.carrier_day"}
    assert not flights_writes.service.keys_own_rows
