"""The bank in small form; and its checks see money that comes from nowhere, doubled transfers and deadlocks."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from random import Random

import psycopg2
import pytest
from psycopg2.errors import DeadlockDetected

from tests.faults.bank import SERVICES, run
from tests.faults.bank_checks import Reader, check_no_deadlock, check_transfers, deadlocks
from tests.faults.bank_faults import PATIENCE_SECONDS, end_sessions, freeze_writer, kill_writer
from tests.faults.bank_publisher import Accepted, random_transfer
from tests.faults.services.bank.contract import ACCOUNTS, OPENING_CENTS
from tests.integration.gate import Gate, gate_running
from tests.servers import Servers

pytestmark = pytest.mark.slow
MOVE = "UPDATE bank.account SET cents = cents + %s WHERE number = %s"


@pytest.fixture(scope="module")
def gate(servers: Servers) -> Iterator[Gate]:
    with gate_running(servers, "bank_controls", services=SERVICES) as running:
        yield running


def test_no_money_is_lost(servers: Servers) -> None:
    figures = run(servers, [kill_writer, freeze_writer, end_sessions], publishers=2, writers=2, seed=1)
    assert figures.transfers_accepted > 0
    assert figures.moves_accepted > 0


def test_without_the_ledger_a_transfer_is_made_twice(gate: Gate) -> None:
    random = Random(1)
    transfers = [random_transfer(random) for _ in range(20)]
    accepted = Accepted(
        {transfer.command_id: (transfer.source, transfer.target, transfer.cents) for transfer in transfers}
    )
    gate.broker.publish(transfers, "bank")
    gate.writers.start(altered="dies_before_ack", wait=False)
    gate.wait(lambda: not gate.writers["writer-1"].alive, "the writer dies", PATIENCE_SECONDS)
    made = gate.database.value("SELECT count(*) FROM bank.transfer")
    gate.writers.start(altered="without_ledger", wait=False)
    more = f"SELECT count(*) > {made} FROM bank.transfer"
    gate.wait(lambda: bool(gate.database.value(more)), "they are made again", PATIENCE_SECONDS)
    gate.writers.stop_all()
    with pytest.raises(AssertionError, match="applied more than once"):
        check_transfers(gate, accepted)


def test_a_total_that_is_wrong_for_a_moment_is_seen(gate: Gate) -> None:
    reader = Reader(gate)
    with closing(gate.servers.superuser(gate.name)) as connection, connection.cursor() as cursor:
        cursor.execute(MOVE, [-1, 0])  # and only later, in another transaction, to where it goes

        def read_for_a_while() -> None:
            with reader:
                gate.wait(lambda: reader.samples > 10, "some reads", PATIENCE_SECONDS)

        with pytest.raises(AssertionError, match="the total is"):
            read_for_a_while()
        cursor.execute(MOVE, [1, 0])
    assert reader.wrong[0] == ACCOUNTS * OPENING_CENTS - 1


def test_a_deadlock_is_counted(gate: Gate) -> None:
    before = deadlocks(gate)
    check_no_deadlock(gate, before)
    locked = threading.Barrier(2)

    def cross(first: int, second: int) -> None:
        connection = psycopg2.connect(gate.servers.database_url("postgres", gate.name))
        with closing(connection), connection.cursor() as cursor:
            cursor.execute(MOVE, [0, first])
            locked.wait(PATIENCE_SECONDS)
            with suppress(DeadlockDetected):  # one of the two
                cursor.execute(MOVE, [0, second])

    threads = [threading.Thread(target=cross, args=accounts) for accounts in ((1, 2), (2, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    gate.wait(lambda: deadlocks(gate) > before, "the database counts it", PATIENCE_SECONDS)
    with pytest.raises(AssertionError, match="1 deadlocks"):
        check_no_deadlock(gate, before)
