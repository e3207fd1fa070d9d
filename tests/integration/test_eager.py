"""The eager mode of the test kit: code that waits for its receipts, tested without a writer, on a real database."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, text
from werkzeug.test import Client

from tests.deadlines import patient
from tests.examples.with_flask import create_app
from tests.servers import Servers
from tests.services.trial.contract import Choose, Deposit, Split, trial
from tests.tables import migrated, rolled_back
from writegate import apublish, publish
from writegate.errors import ReceiptTimeout
from writegate.publishing.process import replace
from writegate.testing import MemoryBroker
from writegate_writer.errors import HandlerFault
from writegate_writer.testing import eager

SERVICES = Path(__file__).parents[1] / "services"
SOON = patient(10)


@pytest.fixture(scope="module")
def engine(servers: Servers) -> Iterator[Engine]:
    with migrated(servers, "eager_test", SERVICES / "trial/migrations") as made:
        yield made


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    with rolled_back(engine) as opened:
        yield opened


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Iterator[MemoryBroker]:
    monkeypatch.syspath_prepend(SERVICES)
    with MemoryBroker([trial]) as made, replace(made.publisher()):
        yield made


def booked(connection: Connection, account: str) -> list[int]:
    query = text("SELECT seq FROM trial.entry WHERE account = :account ORDER BY position")
    return list(connection.execute(query, {"account": account}).scalars())


def test_a_receipt_is_there_and_the_row_too(broker: MemoryBroker, connection: Connection) -> None:
    publish(Deposit(account="a", seq=0))
    with eager(broker, connection):
        assert booked(connection, "a") == [0], "what waited before"
        pending = publish(Deposit(account="a", seq=1), receipt=True)
        assert booked(connection, "a") == [0, 1]
        receipt = pending.wait(SOON)
        assert (receipt.outcome, receipt.result) == ("applied", {"booked": 1})
        again = pending.lookup(SOON)
        assert again is not None
        assert (again.id, again.outcome, again.xid) == (receipt.id, receipt.outcome, receipt.xid)
        refused = publish(Choose(account="a", seq=98, reason="not on a Sunday"), receipt=True).wait(SOON)
        assert (refused.outcome, refused.cause and refused.cause.message) == ("parked", "not on a Sunday")
    late = publish(Deposit(account="a", seq=2), receipt=True)
    with pytest.raises(ReceiptTimeout):
        late.wait(0.1)  # the control: without the mode nobody answers
    assert booked(connection, "a") == [0, 1]


def test_what_handlers_emit_is_applied_before_the_call_returns(broker: MemoryBroker, connection: Connection) -> None:
    with eager(broker, connection):
        publish(Split(account="a", into="b", first=1, count=3))
        assert booked(connection, "b") == [1, 2, 3]


def test_event_loops_and_threads_get_theirs(broker: MemoryBroker, connection: Connection) -> None:
    async def ask(seq: int) -> str:
        return (await (await apublish(Deposit(account="loop", seq=seq), receipt=True)).get(SOON)).outcome

    async def all_of_them() -> list[str]:
        return await asyncio.gather(*map(ask, range(5)))

    with eager(broker, connection), ThreadPoolExecutor(4) as threads:
        assert asyncio.run(all_of_them()) == ["applied"] * 5
        asked = threads.map(lambda seq: publish(Deposit(account="t", seq=seq), receipt=True).wait(SOON), range(20))
        assert {receipt.outcome for receipt in asked} == {"applied"}
    assert sorted(booked(connection, "t")) == list(range(20))


def test_a_route_that_waits_answers_with_the_outcome(broker: MemoryBroker, connection: Connection) -> None:
    with eager(broker, connection):
        answer = Client(create_app()).post(
            "/accounts/http/deposits", json={"seq": 1}, headers={"Prefer": f"wait={SOON:g}"}
        )
    assert (answer.status_code, (answer.json or {})["outcome"]) == (201, "applied")


def test_an_error_of_a_handler_is_raised_when_the_block_ends(broker: MemoryBroker, connection: Connection) -> None:
    connection.execute(text("ALTER TABLE trial.entry RENAME TO gone"))
    expected = pytest.raises(HandlerFault, match="the writer would have this wait")
    with expected as raised, eager(broker, connection):
        publish(Deposit(account="a", seq=1), receipt=True).wait(0.1)
    assert isinstance(raised.value.__context__, ReceiptTimeout)
