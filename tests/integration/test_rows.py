"""Ready-made handlers on a real PostgreSQL, against the same commands one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DataError, IntegrityError

from tests.servers import SUPERUSER, Servers
from writegate import Command, Service
from writegate_writer.handlers import rows

METADATA = sa.MetaData(schema="Rows")


def everything(name: str) -> sa.Table:
    """A table with a composite key, names that need quotes, and a column of every kind that is hard to send."""
    return sa.Table(
        name,
        METADATA,
        sa.Column("group", sa.Text, primary_key=True),
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("na%me", sa.String(20)),
        sa.Column("amount", sa.Numeric(20, 4)),
        sa.Column("count", sa.BigInteger),
        sa.Column("at", sa.DateTime(timezone=True)),
        sa.Column("day", sa.Date),
        sa.Column("span", sa.Interval),
        sa.Column("share", sa.Double),
        sa.Column("ok", sa.Boolean),
        sa.Column("raw", sa.LargeBinary),
        sa.Column("tags", sa.ARRAY(sa.String(20))),
        sa.Column("grid", sa.ARRAY(sa.Integer, dimensions=2)),
        sa.Column("doc", postgresql.JSONB(none_as_null=True)),
        sa.Column("made", sa.Text, server_default="by default"),
    )


BATCH, SINGLE = everything("Batch"), everything("Single")
KEY = ("group", "id")
FIELDS = {"na%me": "name"}


class Row(Command, key="id"):
    """A whole row."""

    group: str
    id: int
    name: str | None = None
    amount: Decimal | None = None
    count: int | None = None
    at: datetime | None = None
    day: Any = None
    span: timedelta | None = None
    share: float | None = None
    ok: bool | None = None
    raw: bytes | None = None
    tags: list[str | None] | None = None
    grid: list[list[int]] | None = None
    doc: Any = None


Service("rows_integration", commands=[Row])

# Everything but a NUL, which is a test of its own, and surrogates, which are no characters.
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
ROW = st.builds(
    Row,
    # Few keys, so that commands meet; texts that sort differently by collation and by code point.
    group=st.sampled_from(["a", "B", "é", "it's", '"\\{},']),
    id=st.integers(0, 2),
    name=st.none() | TEXT,
    amount=st.none() | st.decimals(-(10**9), 10**9, places=4),
    count=st.none() | st.integers(-(2**40), 2**40),
    at=st.none() | st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001  hypothesis adds the zone
    day=st.none() | st.dates(),
    span=st.none() | st.timedeltas(timedelta(days=-9999), timedelta(days=9999)),
    share=st.none() | st.floats(allow_nan=False, allow_infinity=False),
    ok=st.none() | st.booleans(),
    raw=st.none() | st.binary(max_size=20),
    tags=st.none() | st.lists(st.none() | TEXT, max_size=4),
    grid=st.none() | st.lists(st.lists(st.integers(-9, 9), min_size=2, max_size=2), max_size=3),
    doc=JSON,
)
ROWS = st.lists(ROW, max_size=8)


@pytest.fixture(scope="module")
def engine(servers: Servers) -> Iterator[Engine]:
    """A database of this module's own, with both tables."""
    servers.create_database("rows_test")
    url = servers.database_url(SUPERUSER, "rows_test").replace("postgresql", "postgresql+psycopg2", 1)
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


def values(row: Row) -> dict[str, Any]:
    columns = {field: column for column, field in FIELDS.items()}
    return {columns.get(field, field): getattr(row, field) for field in Row.model_fields}


class OneAtATime:
    """The naive twin: a statement a command, values sent the driver's own way."""

    def __init__(self, connection: Connection, table: sa.Table) -> None:
        self._connection = connection
        self._table = table

    def insert_ignore(self, row: Row) -> None:
        self._connection.execute(postgresql.insert(self._table).values(values(row)).on_conflict_do_nothing())

    def upsert(self, row: Row) -> None:
        changed = {name: value for name, value in values(row).items() if name not in KEY}
        made = postgresql.insert(self._table).values(values(row))
        self._connection.execute(made.on_conflict_do_update(index_elements=KEY, set_=changed))

    def update(self, row: Row) -> None:
        changed = {name: value for name, value in values(row).items() if name not in KEY}
        self._connection.execute(sa.update(self._table).where(*self._is(row)).values(changed))

    def delete(self, row: Row) -> None:
        self._connection.execute(sa.delete(self._table).where(*self._is(row)))

    def increment(self, row: Row, *, insert_missing: bool = True) -> None:
        there = self._connection.execute(
            sa.select(self._table.c.amount, self._table.c.count).where(*self._is(row))
        ).one_or_none()
        if there is None and insert_missing:
            added = {"group": row.group, "id": row.id, "amount": row.amount, "count": 1}
            self._connection.execute(sa.insert(self._table).values(added))
        elif there is not None:
            amount = there[0] if row.amount is None else (there[0] or 0) + row.amount
            changed = {"amount": amount, "count": (there[1] or 0) + 1}
            self._connection.execute(sa.update(self._table).where(*self._is(row)).values(changed))

    def increment_existing(self, row: Row) -> None:
        self.increment(row, insert_missing=False)

    def _is(self, row: Row) -> tuple[Any, ...]:
        return self._table.c.group == row.group, self._table.c.id == row.id


BY: dict[str, str | int] = {"amount": "amount", "count": 1}
HANDLERS = {
    "insert_ignore": rows.insert(BATCH, on_conflict="ignore", columns=FIELDS),
    "upsert": rows.upsert(BATCH, columns=FIELDS),
    "update": rows.update(BATCH, columns=FIELDS),
    "delete": rows.delete(BATCH),
    "increment": rows.increment(BATCH, by=BY),
    "increment_existing": rows.increment(BATCH, by=BY, insert_missing=False),
}
CALLS = st.lists(st.tuples(st.sampled_from(sorted(HANDLERS)), ROWS), min_size=1, max_size=4)


def content(connection: Connection, table: sa.Table) -> Sequence[sa.Row[Any]]:
    return connection.execute(sa.select(table).order_by(table.c.group, table.c.id)).all()


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=ROWS, calls=CALLS)
def test_many_at_once_leave_what_one_at_a_time_leaves(
    connection: Connection, before: list[Row], calls: list[tuple[str, list[Row]]]
) -> None:
    for table in (BATCH, SINGLE):
        for row in before:
            OneAtATime(connection, table).upsert(row)
    for kind, commands in calls:
        HANDLERS[kind](connection, commands)
        for command in commands:
            getattr(OneAtATime(connection, SINGLE), kind)(command)
        assert content(connection, BATCH) == content(connection, SINGLE)
    connection.rollback()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(commands=ROWS)
def test_an_insert_fails_exactly_if_a_key_is_there_twice(connection: Connection, commands: list[Row]) -> None:
    keys = [(command.group, command.id) for command in commands]
    handler = rows.insert(BATCH, columns=FIELDS)
    if len(set(keys)) == len(keys):
        handler(connection, commands)
        assert len(content(connection, BATCH)) == len(commands)
    else:
        with pytest.raises(IntegrityError) as raised:
            handler(connection, commands)
        assert raised.value.orig.pgcode == "23505"  # type: ignore[union-attr]  # it has an origin
    connection.rollback()


def test_a_call_is_one_statement(connection: Connection) -> None:
    HANDLERS["upsert"](connection, [Row(group="a", id=0)])  # at its first call it asks for the types of the key
    sent: list[str] = []
    sa.event.listen(connection, "before_cursor_execute", lambda *arguments: sent.append(arguments[2]))
    HANDLERS["upsert"](connection, [Row(group="a", id=index % 7) for index in range(1000)])
    assert len(sent) == 1
    assert len(content(connection, BATCH)) == 7


def test_columns_without_a_field_keep_their_default(connection: Connection) -> None:
    HANDLERS["upsert"](connection, [Row(group="a", id=1)])
    assert content(connection, BATCH)[0].made == "by default"


@pytest.mark.parametrize(
    ("row", "sqlstate"),
    [
        (Row(group="a", id=1, name="x" * 21), "22001"),
        (Row(group="a", id=1, tags=["x" * 21]), "22001"),
        (Row(group="a", id=1, amount=Decimal(10) ** 17), "22003"),
        (Row(group="a", id=2**40), "22003"),
        (Row(group="a", id=1, grid=[[1, 2], [3]]), "22P02"),
        (Row(group="a", id=1, doc={"nul": "\0"}), "22P05"),
    ],
)
def test_a_value_that_does_not_fit_is_an_error_and_never_cut(connection: Connection, row: Row, sqlstate: str) -> None:
    with pytest.raises(DataError) as raised:
        HANDLERS["upsert"](connection, [Row(group="a", id=0), row])
    assert raised.value.orig.pgcode == sqlstate  # type: ignore[union-attr]  # it has an origin


class Priced(Command):
    """A command whose key is equal to another's only once the column has rounded it."""

    price: Decimal
    text: str


Service("rows_rounding", commands=[Priced])


def test_commands_are_folded_by_the_databases_own_equality(connection: Connection) -> None:
    table = sa.Table(
        "priced", sa.MetaData(), sa.Column("price", sa.Numeric(10, 2), primary_key=True), sa.Column("text", sa.Text)
    )
    table.create(connection)
    commands = [Priced(price=Decimal(price), text=price) for price in ("1.001", "1.004", "1.0")]
    rows.upsert(table)(connection, commands)
    assert connection.execute(sa.select(table)).all() == [(Decimal("1.00"), "1.0")]


class Mailed(Command):
    """A command whose key is a text, which the database may take for equal to another."""

    address: str
    count: int


Service("rows_equality", commands=[Mailed])

MAIL = sa.Table("mail", sa.MetaData(), sa.Column("address", sa.Text, primary_key=True), sa.Column("count", sa.Integer))
EQUAL = {
    "citext": ("citext", ["A@x", "a@X", "a@x"]),
    "blank-padded": ("character(8)", ["a@x", "a@x ", "a@x  "]),
    "a collation": ("text COLLATE ignores_case", ["A@x", "a@X", "a@x"]),
    "a domain": ("mail_address", ["A@x", "a@X", "a@x"]),
}


@pytest.mark.parametrize("name", EQUAL)
@pytest.mark.parametrize(
    ("make", "left"),
    [
        (lambda: rows.upsert(MAIL), [3]),
        (lambda: rows.update(MAIL), [3]),
        (lambda: rows.increment(MAIL, by={"count": "count"}), [16]),
        (lambda: rows.increment(MAIL, by={"count": "count"}, insert_missing=False), [16]),
        (lambda: rows.delete(MAIL), []),
        (lambda: rows.insert(MAIL, decline_on="conflict"), [10]),
    ],
    ids=["upsert", "update", "increment", "increment existing", "delete", "insert"],
)
def test_a_key_is_what_the_column_takes_for_one_whatever_the_table_declares(
    connection: Connection, name: str, make: Callable[[], rows.Handler], left: list[int]
) -> None:
    kind, addresses = EQUAL[name]
    connection.exec_driver_sql("CREATE EXTENSION IF NOT EXISTS citext")
    connection.exec_driver_sql("CREATE DOMAIN mail_address AS citext CHECK (value LIKE '%%@%%')")
    connection.exec_driver_sql(
        "CREATE COLLATION ignores_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false)"
    )
    connection.exec_driver_sql(f"CREATE TABLE mail (address {kind} PRIMARY KEY, count int)")
    connection.exec_driver_sql("INSERT INTO mail VALUES (%s, 10)", (addresses[0],))
    make()(connection, [Mailed(address=address, count=count) for count, address in enumerate(addresses, 1)])
    assert connection.execute(sa.select(MAIL.c.count)).scalars().all() == left
