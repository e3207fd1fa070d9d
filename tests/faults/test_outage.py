"""A long outage of the database in small form, and what it would do to writers that held on to their messages."""

from __future__ import annotations

import pytest

from tests.deadlines import patient
from tests.faults.outage import (
    CONNECTIONS,
    NEGLIGENT,
    PACE_SECONDS,
    Negligent,
    check_only_the_negligent,
    consumer_timeout,
    run,
)
from tests.integration.gate import gate_running
from tests.integration.load import Load
from tests.servers import Servers

pytestmark = pytest.mark.slow


def test_an_outage_longer_than_the_broker_waits(servers: Servers) -> None:
    figures = run(servers, down_seconds=25, limit_seconds=10)
    assert figures.accepted_before > 0


def test_writers_that_held_on_would_lose_their_channels(servers: Servers) -> None:
    with (
        gate_running(servers, "outage_control", CONNECTIONS) as gate,
        consumer_timeout(servers, 5) as closed,
        Negligent(gate) as negligent,
    ):
        gate.writers.start(altered="keeps_channels")
        with Load(gate, "held", PACE_SECONDS):
            servers.stack.stop("postgres")
            try:
                gate.wait(lambda: negligent.thrown_out, "the broker's limit strikes", patient(60))
                others = f"channel {NEGLIGENT} "
                gate.wait(
                    lambda: any(others not in line for line in closed()), "it strikes the writer too", patient(60)
                )
            finally:
                servers.stack.start("postgres")
        with pytest.raises(AssertionError, match="closed a writer's channel"):
            check_only_the_negligent(closed())
