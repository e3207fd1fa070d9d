"""A receipt knows where its effect can be seen: on the primary at once, on a replica once that has come so far."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing

import asyncpg
import psycopg
import psycopg2
import pytest
from psycopg.rows import dict_row
from psycopg2.extras import RealDictCursor
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from tests.deadlines import patient
from tests.integration.gate import Gate, gate_running
from tests.servers import SUPERUSER, Servers
from tests.services.trial.contract import Deposit
from tests.standby import Standby, standby_of
from writegate.message.receipt import Receipt
from writegate_devkit.stack.readiness import wait_until

SECONDS = patient(60)


@pytest.fixture(scope="module")
def gate(servers: Servers) -> Iterator[Gate]:
    with gate_running(servers, "gate_visible") as running:
        running.writers.start()
        yield running


@pytest.fixture(scope="module")
def standby(gate: Gate) -> Iterator[Standby]:
    with standby_of(gate.servers) as running:
        yield running


def receipt_of(gate: Gate, account: str) -> Receipt:
    with gate.broker.publisher() as publisher:
        return publisher.publish(Deposit(account=account, seq=1), receipt=True).wait(SECONDS)


def sqlalchemy_url(url: str, driver: str) -> str:
    return url.replace("postgresql://", f"postgresql+{driver}://")


def seen_by_psycopg2(receipt: Receipt, url: str) -> bool:
    with closing(psycopg2.connect(url)) as connection:
        return receipt.visible_on(connection)


def seen_by_named_rows(receipt: Receipt, url: str) -> bool:
    with closing(psycopg2.connect(url, cursor_factory=RealDictCursor)) as connection:
        return receipt.visible_on(connection)


def seen_by_psycopg(receipt: Receipt, url: str) -> bool:
    with psycopg.connect(url, row_factory=dict_row) as connection:
        return receipt.visible_on(connection)


def seen_by_sqlalchemy(receipt: Receipt, url: str) -> bool:
    engine = create_engine(sqlalchemy_url(url, "psycopg2"), poolclass=NullPool)
    with engine.connect() as connection, Session(engine) as session:
        of_connection, of_session = receipt.visible_on(connection), receipt.visible_on(session)
    assert of_connection == of_session
    return of_session


async def seen_by_asyncpg(receipt: Receipt, url: str) -> bool:
    connection = await asyncpg.connect(url)
    try:
        return await receipt.avisible_on(connection)
    finally:
        await connection.close()


async def seen_by_async_psycopg(receipt: Receipt, url: str) -> bool:
    async with await psycopg.AsyncConnection.connect(url) as connection:
        return await receipt.avisible_on(connection)


async def seen_by_async_sqlalchemy(receipt: Receipt, url: str) -> bool:
    engine = create_async_engine(sqlalchemy_url(url, "asyncpg"), poolclass=NullPool)
    async with engine.connect() as connection, AsyncSession(engine) as session:
        of_connection, of_session = await receipt.avisible_on(connection), await receipt.avisible_on(session)
    assert of_connection == of_session
    return of_session


def run(ask: Callable[[Receipt, str], Awaitable[bool]]) -> Callable[[Receipt, str], bool]:
    async def asked(receipt: Receipt, url: str) -> bool:
        return await ask(receipt, url)

    return lambda receipt, url: asyncio.run(asked(receipt, url))


WAYS: dict[str, Callable[[Receipt, str], bool]] = {
    "psycopg2": seen_by_psycopg2,
    "rows by name": seen_by_named_rows,
    "psycopg": seen_by_psycopg,
    "SQLAlchemy": seen_by_sqlalchemy,
    "asyncpg": run(seen_by_asyncpg),
    "psycopg async": run(seen_by_async_psycopg),
    "SQLAlchemy async": run(seen_by_async_sqlalchemy),
}


def rows_on(standby: Standby, gate: Gate, account: str) -> int:
    with closing(psycopg2.connect(standby.url(gate.name))) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM trial.entry WHERE account = %s", [account])
        [(count,)] = cursor.fetchall()
        return int(count)


@pytest.mark.slow
def test_a_replica_shows_it_only_when_it_has_replayed_it(gate: Gate, standby: Standby) -> None:
    here, there = gate.servers.database_url(SUPERUSER, gate.name), standby.url(gate.name)
    standby.pause()
    receipt = receipt_of(gate, "visible")
    assert {name: ask(receipt, there) for name, ask in WAYS.items()} == dict.fromkeys(WAYS, False)
    assert rows_on(standby, gate, "visible") == 0
    assert {name: ask(receipt, here) for name, ask in WAYS.items()} == dict.fromkeys(WAYS, True)
    standby.resume()
    assert wait_until(lambda: seen_by_psycopg2(receipt, there), SECONDS)
    assert rows_on(standby, gate, "visible") == 1
    assert {name: ask(receipt, there) for name, ask in WAYS.items()} == dict.fromkeys(WAYS, True)


@pytest.mark.slow
def test_that_it_was_committed_says_nothing_of_a_replica(gate: Gate, standby: Standby) -> None:
    """The negative control: without asking, the row is not there."""
    standby.pause()
    receipt = receipt_of(gate, "unseen")
    assert (receipt.outcome, rows_on(standby, gate, "unseen")) == ("applied", 0)
    standby.resume()
