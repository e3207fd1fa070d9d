"""What each way of publishing and each ready-made handler store is what psycopg2 alone stores.

``make test-values EXAMPLES=…`` draws so many rows for each of five databases with odd settings; the short form is part
of ``make test``. psycopg2 alone runs in a database of which nothing was set.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import time, timedelta
from decimal import Decimal
from itertools import cycle, repeat
from typing import Any

import psycopg2
import pytest
import sqlalchemy as sa
from psycopg2.extensions import register_adapter
from psycopg2.extras import HstoreAdapter, register_uuid
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

from tests.deadlines import patient
from tests.integration.gate import CHECKOUT, Gate, gate_running
from tests.servers import OWNER, SUPERUSER, Servers
from tests.values.drawn import DRAWN, Fields, as_given, insertion, rows_drawn
from tests.values.services.everything.contract import Add, Change, Claim, Put, Values, everything
from tests.values.services.everything.tables import row
from tests.values.ways import WAYS
from writegate.publishing import process
from writegate_writer.database.session_settings import SESSION_SETTINGS, connection_options
from writegate_writer.handlers import rows
from writegate_writer.handlers.rows.source import DIALECT

ROWS = int(os.environ.get("EXAMPLES") or 40)
SERVICES = CHECKOUT / "tests/values/services"
ALONE = "values_alone"
HANDLERS = (Add, Claim, Put, Change)
COLUMNS = [column.name for column in row.columns]
READ = ", ".join(f"{name}::jsonb::text" if name == "plain" else f"{name}::text" for name in COLUMNS)

# Settings of a database, and a value that a session of it stores as another one, or not at all, unless it sets its own.
ODD: dict[str, tuple[dict[str, str], str, Any]] = {
    "sql-standard": ({"intervalstyle": "sql_standard", "datestyle": "SQL, DMY"}, "span", timedelta(seconds=-1)),
    "far-away": (
        {"timezone": "Pacific/Kiritimati", "intervalstyle": "iso_8601", "datestyle": "German"},
        "zoned_hour",
        time(10),
    ),
    "local-mean-time": (
        {"timezone": "Africa/Monrovia", "extra_float_digits": "-15", "xmloption": "document"},
        "markup",
        "<a>1</a>tail",
    ),
    "old": (
        {"array_nulls": "off", "bytea_output": "escape", "standard_conforming_strings": "off"},
        "tags",
        [None, "a"],
    ),
    "other": (
        {"datestyle": "Postgres, DMY", "intervalstyle": "postgres_verbose", "transform_null_equals": "on"},
        "many_days",
        "{[02/01/2013,02/05/2013)}",
    ),
}

# More digits than a float holds; few drawn values have so many. Once by each way of publishing.
LONG = {"exact": Decimal("12345678901234567.89"), "cash": Decimal("1234567890123456.78")}


@pytest.fixture(scope="module")
def gate(servers: Servers) -> Iterator[Gate]:
    with gate_running(servers, "gate_values", services=SERVICES) as running, pytest.MonkeyPatch.context() as patch:
        patch.setenv("WRITEGATE_BROKER_URL", running.broker.url("everything"))
        patch.setenv("WRITEGATE_SPOOL_DIRECTORY", "off")
        patch.setenv("PYTHONPATH", str(SERVICES))
        yield running
        process.close()


@pytest.fixture(scope="module")
def alone(servers: Servers) -> Iterator[psycopg2.extensions.connection]:
    """psycopg2 alone, in a database with the same table."""
    servers.create_database(ALONE)
    with closing(servers.superuser(ALONE)) as connection, connection.cursor() as cursor:
        cursor.execute(f"ALTER DATABASE {ALONE} SET timezone = 'UTC'")
        cursor.execute("SET timezone = 'UTC'")
        cursor.execute((SERVICES / "everything/migrations/001_everything.sql").read_text())
        register_uuid(conn_or_curs=connection)  # type: ignore[no-untyped-call]  # the stubs leave it untyped
        register_adapter(HstoreAdapter, _prepared)
        yield connection


def _prepared(value: HstoreAdapter) -> HstoreAdapter:
    return value


@pytest.fixture(scope="module", params=ODD, ids=str)
def odd(gate: Gate, request: pytest.FixtureRequest) -> Iterator[str]:
    """Settings of the gate's database, of all sessions that begin from now on."""
    for name, value in ODD[request.param][0].items():
        gate.database.sql(f"ALTER DATABASE {gate.name} SET {name} = {value if ',' in value else repr(value)}")
    yield request.param
    gate.database.sql(f"ALTER DATABASE {gate.name} RESET ALL")


def stored(servers: Servers, database: str) -> dict[int, dict[str, str]]:
    """Return all rows, each column as its text, in a session of which everything is set."""
    url = servers.database_url(SUPERUSER, database)
    options = connection_options(SESSION_SETTINGS)
    with closing(psycopg2.connect(url, options=options)) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT id, {READ} FROM everything.row")
        return {id_: dict(zip(COLUMNS, texts, strict=True)) for id_, *texts in cursor.fetchall()}


def store_alone(alone: psycopg2.extensions.connection, drawn: list[Fields]) -> None:
    with alone.cursor() as cursor:
        cursor.execute("TRUNCATE everything.row")
        for fields in drawn:
            names, places, parameters = zip(*insertion(fields), strict=True)
            text = f"INSERT INTO everything.row ({', '.join(names)}) VALUES ({', '.join(places)})"
            cursor.execute(text, dict(zip(names, parameters, strict=True)))


def publish_all(gate: Gate, drawn: list[Fields]) -> None:
    """Publish a command for each row, by every way and for every handler in turn."""
    asked: dict[Any, list[Any]] = {way: [] for way in WAYS}
    pairs = cycle([(way, kind) for kind in HANDLERS for way in WAYS])
    for fields, (way, kind) in zip(drawn, pairs, strict=False):
        asked[way].append((kind, as_given(fields)))
        if kind is Change:
            gate.database.sql("INSERT INTO everything.row (id) VALUES (%s)", [fields["id"]])
    count = "SELECT count(*) FROM writegate.ledger"
    expected = gate.database.value(count) + len(drawn)
    for way, commands in asked.items():
        way(commands)
    gate.wait(lambda: gate.database.value(count) >= expected, f"{expected} decisions", patient(90 + ROWS / 20))


@pytest.mark.slow
@pytest.mark.timeout(300 + ROWS)
def test_what_is_stored_is_what_psycopg2_alone_stores(
    servers: Servers, gate: Gate, odd: str, alone: psycopg2.extensions.connection
) -> None:
    _, column, value = ODD[odd]
    rows = [{column: value}, *repeat(LONG, len(WAYS)), *rows_drawn(ROWS)]
    drawn = [{"id": n, **fields} for n, fields in enumerate(rows)]
    gate.database.sql("TRUNCATE everything.row")
    writer = gate.writers.start(odd, wait=False)
    gate.wait(lambda: "everything" in writer.serving(), "the writer serves")
    try:
        publish_all(gate, drawn)
    finally:
        gate.writers.stop_all()
    store_alone(alone, drawn)
    parked = gate.database.sql("SELECT task, cause, message, convert_from(raw, 'utf8') FROM writegate.parked")
    assert parked == []
    there, expected = stored(servers, gate.name), stored(servers, ALONE)
    assert there.keys() == expected.keys()
    differing = {
        name: (drawn[id_].get(name), text, expected[id_][name])
        for id_, texts in there.items()
        for name, text in texts.items()
        if text != expected[id_][name]
    }
    assert not differing, "by column, the last value that is stored as another: given, by us, by psycopg2 alone"


def test_in_a_session_that_sets_nothing_a_value_becomes_another(servers: Servers, gate: Gate, odd: str) -> None:
    """The negative control: the handler's own statement, in a session as the database makes it."""
    _, column, value = ODD[odd]
    gate.database.sql("TRUNCATE everything.row")
    url = sa.make_url(servers.database_url(SUPERUSER, gate.name)).set(drivername="postgresql+psycopg2")
    for id_, options in enumerate(({}, {"options": connection_options(SESSION_SETTINGS)})):
        engine = sa.create_engine(url, connect_args=options)
        try:
            with engine.begin() as connection:
                rows.insert(row)(connection, [Add(id=id_, **as_given({column: value}))])
        except sa.exc.DBAPIError:
            assert id_ == 0, "it is refused where nothing is set"
        engine.dispose()
    found = stored(servers, gate.name)
    assert found.get(0, {}).get(column) != found[1][column]


def test_plan_has_nothing_to_say_of_these_columns_and_names_one_that_is_changed(gate: Gate) -> None:
    def plan(*words: str) -> subprocess.CompletedProcess[str]:
        line, environment = [sys.executable, "-m", "writegate", "plan", *words], gate.environment(OWNER)
        return subprocess.run(line, env=environment, cwd=CHECKOUT, capture_output=True, text=True, check=False)

    before = plan("--json")
    assert before.returncode == 0, before.stdout + before.stderr
    assert [hint for hint in json.loads(before.stdout)["hints"] if "everything." in hint] == []
    gate.database.sql("ALTER TABLE everything.row ALTER COLUMN address TYPE integer USING NULL")
    after = plan()
    gate.database.sql("ALTER TABLE everything.row ALTER COLUMN address TYPE inet USING NULL")
    assert after.returncode == 2
    for task in everything.commands:
        assert f"! field {task}.address  IPv4Address does not fit column address (integer)" in after.stdout


def test_every_type_that_sqlalchemy_has_is_here() -> None:
    kinds = [column.type for column in row.columns]
    here = {type(kind).__name__.upper() for kind in kinds}
    here |= {kind.compile(dialect=DIALECT).partition("(")[0].partition(" ")[0] for kind in kinds}
    types = {
        name
        for name in postgresql.__all__
        if isinstance(kind := getattr(postgresql, name), type) and issubclass(kind, TypeEngine) and name == name.upper()
    }
    assert types - here <= {"FLOAT", "DOUBLE_PRECISION"}, "FLOAT(n) is one of the other two"
    assert DRAWN.keys() == Values.model_fields.keys() - {"id"} == {*COLUMNS} - {"id"}
