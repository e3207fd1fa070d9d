"""Housekeeping that takes long: the lease is renewed meanwhile, and commands are applied."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta

import pytest

from tests.integration.gate import Gate, gate_running
from tests.servers import Servers
from tests.services.trial.contract import Deposit

LEASE_SECONDS = 2


@pytest.fixture
def gate(servers: Servers) -> Iterator[Gate]:
    with gate_running(servers, "gate_housekeeping") as running:
        yield running


def lease(gate: Gate) -> tuple[int, datetime]:
    """Return the epoch of the domain and until when its lease is."""
    [(epoch, until)] = gate.database.sql("SELECT epoch, lease_until FROM writegate.domain WHERE name = 'trial'")
    return epoch, until


def test_a_lease_is_renewed_while_housekeeping_waits(gate: Gate) -> None:
    gate.writers.start(altered="samples_often", WRITEGATE_LEASE_SECONDS=LEASE_SECONDS)
    with closing(gate.servers.superuser(gate.name)) as blocker, blocker.cursor() as cursor:
        blocker.autocommit = False
        # Where samples for metrics are kept.
        cursor.execute("LOCK TABLE writegate.history IN ACCESS EXCLUSIVE MODE")
        waits = "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND relation = 'writegate.history'::regclass"
        gate.wait(lambda: bool(gate.database.value(waits)), "a sample is to be taken")
        epoch, until = lease(gate)
        longer = until + timedelta(seconds=2 * LEASE_SECONDS)
        gate.wait(lambda: lease(gate)[1] > longer, "the lease is renewed")
        assert lease(gate)[0] == epoch, "the domain was lost meanwhile"
        gate.broker.publish([Deposit(account="meanwhile", seq=1)])
        gate.database.wait_entries("meanwhile", 1)
        blocker.rollback()
    assert lease(gate)[0] == epoch
    gate.database.assert_exactly_once("meanwhile", [1])
    assert "domain.lost" not in gate.writers["writer-1"].log
