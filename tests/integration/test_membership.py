"""Services come to share a table and part again while commands flow: order and exactness stay, nothing deadlocks."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from typing import Self

import pytest

from tests.deadlines import patient
from tests.integration.gate import PARTNER, PATIENCE_SECONDS, SERVICES, Gate, gate_running
from tests.integration.load import Load
from tests.partner.partner.contract import Note
from tests.place import PASSWORD, Place, passwords, table
from tests.servers import Servers
from tests.services.trial.contract import Split
from writegate import Service
from writegate.errors import RetryablePublishError
from writegate_devkit.stack.readiness import POLL_SECONDS, wait_until
from writegate_writer import Writes
from writegate_writer.provision import membership
from writegate_writer.provision.change import ApplyError, Change
from writegate_writer.provision.plan import opened

ACCOUNTS = 8
PACE_SECONDS = 0.1  # deployments take long, and all of it is looked at in the end
SHARES = "PARTNER_SHARES"


@pytest.fixture
def gate(servers: Servers) -> Iterator[Gate]:
    path = f"{SERVICES}:{PARTNER}"
    with gate_running(servers, "gate_membership", connections=6, PYTHONPATH=path) as running:
        yield running


class Notes:
    """A stream of notes from one publisher, about the accounts of a :class:`Load`, as long as the block lasts."""

    def __init__(self, gate: Gate, name: str) -> None:
        self._gate = gate
        self._accounts = [f"{name}-{number}" for number in range(ACCOUNTS)]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._publish, daemon=True)
        self.accepted = 0  # of each account

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(patient(60))
        assert not self._thread.is_alive()

    def wait_applied(self, more: int) -> None:
        """Wait until so many more notes of an account are applied."""
        count = len(self._noted()[self._accounts[0]]) + more
        self._gate.wait(lambda: len(self._noted()[self._accounts[0]]) >= count, "notes are taken", PATIENCE_SECONDS)

    def check(self) -> None:
        """Every accepted note is there, once and in order."""
        expected = {account: list(range(self.accepted)) for account in self._accounts}
        self._gate.wait(lambda: len(self._noted()[self._accounts[-1]]) >= self.accepted, "all notes", PATIENCE_SECONDS)
        assert self._noted() == expected

    def _noted(self) -> dict[str, list[int]]:
        noted: dict[str, list[int]] = {account: [] for account in self._accounts}
        for account, seq in self._gate.database.sql("SELECT account, seq FROM partner.note ORDER BY position"):
            noted[account].append(seq)
        return noted

    def _publish(self) -> None:
        with self._gate.broker.publisher("partner", WRITEGATE_PUBLISH_TIMEOUT_SECONDS="2") as publisher:
            for seq in itertools.count():
                commands = [Note(account=account, seq=seq) for account in self._accounts]
                while True:
                    try:
                        publisher.publish_many(commands)
                        break
                    except RetryablePublishError:
                        self._stop.wait(POLL_SECONDS)
                self.accepted = seq + 1
                if self._stop.wait(PACE_SECONDS):
                    return


def domains(gate: Gate) -> dict[str, str]:
    """Return the domain of each service's first lane, of those that are told apart here."""
    query = "SELECT service, domain FROM writegate.lane WHERE service IN ('partner', 'trial') AND lane = 0"
    return dict(gate.database.sql(query))


def restart(gate: Gate) -> None:
    """Deploy: one writer after the other starts anew with today's settings."""
    for name in ("writer-1", "writer-2"):
        gate.writers.stop(name)
        gate.writers.start(name, wait=False)


@pytest.mark.slow
def test_services_share_a_table_and_part_again_under_load(gate: Gate) -> None:
    first = itertools.count(step=50)
    gate.writers.start("writer-1")
    gate.writers.start("writer-2", wait=False)
    with Load(gate, "shared", PACE_SECONDS) as load, Notes(gate, "shared") as notes:
        for shares, expected in (("1", {"partner": "partner+trial", "trial": "partner+trial"}),
                                 ("0", {"partner": "partner", "trial": "trial"})):  # fmt: skip
            gate.broker.publish(Split(account="source", into="emitted", first=next(first), count=50) for _ in range(4))
            gate.settings[SHARES] = shares
            gate.apply()
            assert domains(gate) == expected
            restart(gate)
            load.wait_applied(20)
            notes.wait_applied(20)
    load.check()
    notes.check()
    gate.database.wait_entries("emitted", 400, PATIENCE_SECONDS)
    gate.database.assert_exactly_once("emitted", range(400))
    assert (
        gate.database.sql("SELECT * FROM writegate.hold") == gate.database.sql("SELECT * FROM writegate.parked") == []
    )
    gate.assert_drained()
    assert not any("40P01" in writer.log for writer in gate.writers.values())
    assert (
        gate.database.sql("SELECT name FROM writegate.domain WHERE name NOT IN (SELECT domain FROM writegate.lane)")
        == []
    )


@pytest.mark.slow
def test_a_writer_leaves_lanes_alone_that_its_handlers_would_bring_together(gate: Gate) -> None:
    """It was deployed before `apply`. Without that rule there are deadlocks."""
    gate.settings[SHARES] = "1"
    writer = gate.writers.start("too-early", wait=False)
    gate.wait(lambda: "flights" in writer.serving(), "it serves the others", PATIENCE_SECONDS)
    gate.wait(lambda: writer.log.count("domain.lanes_apart") == 2, "it leaves both", PATIENCE_SECONDS)
    assert not {"trial", "partner"} & writer.serving()
    gate.writers.stop("too-early")
    gate.database.sql("GRANT USAGE ON SCHEMA trial TO writegate_service_partner")
    gate.database.sql("GRANT SELECT, UPDATE ON trial.balance TO writegate_service_partner")
    altered = gate.writers.start("reckless", altered="serves_lanes_apart")
    with Load(gate, "apart"), Notes(gate, "apart"):
        gate.wait(lambda: "40P01" in altered.log, "two domains at the same rows deadlock", PATIENCE_SECONDS)


def shared(place: Place, *, share: bool) -> dict[str, Writes]:
    """Return the services of a place; they may share a table."""
    alpha, beta = (place.migrations / name for name in ("alpha", "beta"))
    own, other = table("alpha"), table("beta")
    return {
        "alpha": Writes(Service("alpha", commands=[], lanes=2), tables=[own], migrations=alpha),
        "beta": Writes(Service("beta", commands=[]), tables=[other, own] if share else [other], migrations=beta),
    }


def change(place: Place, *, share: bool) -> list[Change]:
    done: list[Change] = []
    with opened(place.settings(), shared(place, share=share), passwords(PASSWORD)) as applier:
        applier.apply(applier.plan(), done.append)
    return [one for one in done if one.kind == "domains"]


WAITING = "select domain, count(*)::int from writegate.{} group by domain order by domain"
EMITTED = """
insert into writegate.outbox (domain, service, task, id, version, fields)
values ('{domain}', 'beta', 'beta.x', gen_random_uuid(), 1, '')
"""
DEFERRED = """
insert into writegate.deferred (domain, service, lane, id, ledger_id, task, version, hash, reason, headers, raw)
values ('{service}', '{service}', 0, 'x', gen_random_uuid(), 'x.y', 1, 1, 'test', '{{}}', '')
"""


def test_what_waits_goes_with_its_lane_and_epochs_only_grow(applied: Place) -> None:
    for service in ("alpha", "beta"):
        applied.sql(DEFERRED.format(service=service))
        applied.sql(EMITTED.format(domain=service))
    applied.sql("update writegate.domain set owner = 'w', epoch = 7, lease_until = 'infinity' where name = 'alpha'")
    [made] = change(applied, share=True)
    assert made.name == "alpha+beta"
    assert applied.sql(WAITING.format("deferred")) == applied.sql(WAITING.format("outbox")) == [("alpha+beta", 2)]
    assert applied.sql("select name, owner, epoch, lease_until < now() from writegate.domain") == [
        ("alpha+beta", None, 8, True)
    ]
    applied.sql("delete from writegate.outbox")
    [made] = change(applied, share=False)
    assert made.name == "alpha, beta"
    assert applied.sql(WAITING.format("deferred")) == [("alpha", 1), ("beta", 1)]
    assert all(epoch > 8 for (epoch,) in applied.sql("select epoch from writegate.domain"))  # type: ignore[operator]


def test_what_was_emitted_together_goes_out_before_its_domain_is_parted(
    applied: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(applied, share=True)
    applied.sql(EMITTED.format(domain="alpha+beta"))
    before = applied.sql("select * from writegate.domain")
    monkeypatch.setattr(membership, "DRAIN_SECONDS", 1.0)
    with pytest.raises(ApplyError, match=r"what the handlers of alpha\+beta emitted waits for the broker"):
        change(applied, share=False)
    assert applied.sql("select * from writegate.domain") == before
    assert applied.sql("select * from writegate.hold") == []
    monkeypatch.setattr(membership, "DRAIN_SECONDS", PATIENCE_SECONDS)
    parting = threading.Thread(target=change, args=[applied], kwargs={"share": False})
    parting.start()
    held = "select target from writegate.hold where holder = 'apply' order by 1"
    assert wait_until(lambda: applied.sql(held) == [("alpha",), ("beta",)], PATIENCE_SECONDS)
    applied.sql("delete from writegate.outbox")  # as a writer does once the broker has it
    parting.join(PATIENCE_SECONDS)
    assert applied.sql("select name from writegate.domain order by 1") == [("alpha",), ("beta",)]
    assert applied.sql("select * from writegate.hold") == []


def test_a_batch_in_work_is_waited_for(applied: Place) -> None:
    batch = applied.login("postgres")
    with batch.cursor() as cursor:
        cursor.execute("select name from writegate.domain where name = 'alpha' for update")
    changing = threading.Thread(target=change, args=[applied], kwargs={"share": True})
    changing.start()
    # It has given up once by now, and holds both services to get its turn.
    held = "select target from writegate.hold where target = 'alpha'"
    assert wait_until(lambda: bool(applied.sql(held)), PATIENCE_SECONDS)
    assert applied.sql("select count(*) from writegate.domain where name = 'alpha'") == [(1,)]
    batch.commit()
    batch.close()
    changing.join(PATIENCE_SECONDS)
    assert applied.sql("select name from writegate.domain") == [("alpha+beta",)]
