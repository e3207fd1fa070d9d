"""Claiming a domain while `apply` changes what it is made of."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from unittest import mock

import pytest

from tests.deadlines import patient
from tests.integration.gate import WRITER, Gate, gate_running
from tests.servers import Servers
from writegate.config import Settings
from writegate.session_name import session_name
from writegate_writer.database import leases
from writegate_writer.database.leases import SqlLeases
from writegate_writer.database.session import APPLICATION, CONTROL_APPLICATION, Session, engine_of
from writegate_writer.schedule.sharing import Claimed

PLACE = 4712  # an advisory lock, at which whoever reads a domain's row waits
# A policy for rows is asked after a statement has taken its snapshot, and before it locks the row.
WAITING = f"""
CREATE FUNCTION public.waits() RETURNS bool LANGUAGE plpgsql AS
'BEGIN PERFORM pg_advisory_xact_lock_shared({PLACE}); RETURN true; END';
CREATE POLICY waits ON writegate.domain USING (waits());
ALTER TABLE writegate.domain ENABLE ROW LEVEL SECURITY;
"""
# As it was: the lanes in the statement that claims.
IN_ONE_STATEMENT = """
UPDATE writegate.domain d SET owner = %(me)s, epoch = d.epoch + 1,
       lease_until = clock_timestamp() + make_interval(secs => %(lease)s)
WHERE d.name IN (SELECT name FROM writegate.domain
                 WHERE name = ANY(%(names)s) AND (owner IS NULL OR lease_until < clock_timestamp())
                 FOR UPDATE SKIP LOCKED)
RETURNING d.name, d.epoch, (SELECT json_agg(json_build_array(service, lane) ORDER BY service, lane)
                            FROM writegate.lane l WHERE l.domain = d.name),
          (SELECT json_object_agg(service, 2) FROM writegate.lane l WHERE l.domain = d.name AND l.lane = 0)
"""
# As `apply` does it.
PART = """
INSERT INTO writegate.domain (name, tables, reason, epoch) VALUES ('trial.1', '{}', 'parted', 9);
UPDATE writegate.domain SET epoch = 9 WHERE name = 'trial';
UPDATE writegate.lane SET domain = 'trial.1' WHERE service = 'trial' AND lane = 1
"""
WHOLE, LEFT = (("trial", 0), ("trial", 1)), (("trial", 0),)


@pytest.fixture
def gate(servers: Servers) -> Iterator[Gate]:
    with gate_running(servers, "gate_claims", 5) as running:
        running.database.sql(WAITING)
        yield running


def claim_while_parted(gate: Gate) -> list[Claimed]:
    """Claim the domain of both lanes of `trial`, from which one is taken after the claim has begun."""
    environment = gate.environment(WRITER)
    settings = Settings.model_validate({"database_url": environment["WRITEGATE_DATABASE_URL"]})
    with closing(Session(engine_of(settings, "claims"))) as session, ThreadPoolExecutor() as pool:
        gate.database.sql(f"SELECT pg_advisory_lock({PLACE})")
        claiming = pool.submit(SqlLeases(session).claim, "me", ["trial", "fleet"], 60)
        waits = (
            "SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name = 'claims' AND wait_event = 'advisory'"
        )
        gate.wait(lambda: bool(gate.database.value(waits)), "the claim has taken its snapshot")
        gate.database.sql(PART)
        gate.database.sql(f"SELECT pg_advisory_unlock({PLACE})")
        return sorted(claiming.result(patient(60)), key=lambda one: one.domain)


def test_who_claims_a_domain_gets_the_lanes_of_its_epoch(gate: Gate) -> None:
    fleet, trial = claim_while_parted(gate)
    assert trial == Claimed("trial", 10, LEFT, {"trial": 2})
    assert (fleet.domain, fleet.epoch, fleet.lanes) == ("fleet", 1, (("fleet", 0),))


def test_read_in_the_same_statement_the_lanes_are_those_of_another_epoch(gate: Gate) -> None:
    """The negative control."""
    with mock.patch.object(leases, "_CLAIM", IN_ONE_STATEMENT):
        _, trial = claim_while_parted(gate)
    assert trial == Claimed("trial", 10, WHOLE, {"trial": 2})


def test_a_writer_commits_durably_whatever_the_role_and_the_database_are_set_to(gate: Gate) -> None:
    gate.database.sql(f"ALTER ROLE {WRITER} IN DATABASE {gate.name} SET synchronous_commit = off")
    gate.database.sql(f"ALTER DATABASE {gate.name} SET synchronous_commit = off")
    settings = Settings.model_validate({"database_url": gate.environment(WRITER)["WRITEGATE_DATABASE_URL"]})
    with closing(Session(engine_of(settings, "durable"))) as session:
        assert session.run("SHOW synchronous_commit") == [("on",)]


def counted_writers(gate: Gate, *applications: str) -> int:
    """Count the writers while sessions of these names are open."""
    settings = Settings.model_validate({"database_url": gate.environment(WRITER)["WRITEGATE_DATABASE_URL"]})
    with ExitStack() as stack:
        sessions = [stack.enter_context(closing(Session(engine_of(settings, name)))) for name in applications]
        return SqlLeases(sessions[0]).writers(60)


LONG = f"{'w' * 20}@{'h' * 40}"  # with it, session names have to be cut


@pytest.mark.parametrize("host", ["w@host", LONG])
def test_a_writer_counts_once_it_has_a_slot(gate: Gate, host: str) -> None:
    """What is left for one that got no slot is served by nobody: the others let go of it again and again."""
    with_slots = [
        session_name(name, f"{host}/1-1795889747")
        for name in (CONTROL_APPLICATION, f"{APPLICATION}.0", f"{APPLICATION}.1")
    ]
    assert counted_writers(gate, *with_slots) == 1
    without = session_name(CONTROL_APPLICATION, f"{host}/2-1795889747")
    assert counted_writers(gate, *with_slots, without) == 1
    assert counted_writers(gate, *with_slots, without, session_name(f"{APPLICATION}.0", f"{host}/2-1795889747")) == 2
