"""After: the services' own replays publish, in processes of their own; the writers apply."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from tests.demo import oracle
from tests.demo.compare import differences
from tests.demo.report import Phase
from tests.demo.sampler import Sampler
from tests.servers import SUPERUSER, Servers
from writegate.errors import WritegateError
from writegate_devkit.stack import Stack

POLL_SECONDS = 0.25
# Longer than any of the faults below lasts: a broker's restart, and a lease that must run out first.
STALLED_SECONDS = 60.0

_APPLIED = """
    select (select count(*) from writegate.ledger where outcome = 'a'),
           (select count(*) from writegate.parked where state = 'parked'),
           (select count(*) from writegate.outbox)
"""
# An id of ours carries the time of its publish call, in milliseconds.
_LONGEST_LAG = """
    select coalesce(max(extract(epoch from batch.committed_at)
        - ('x' || substr(replace(ledger.id::text, '-', ''), 1, 12))::bit(48)::bigint / 1000.0), 0)::float
    from writegate.ledger join writegate.batch on batch.id = ledger.batch
"""


# Who applies the flights now, while somebody does: "writer-1@host".
_OWNER = """
    select domain.owner from writegate.domain join writegate.lane on lane.domain = domain.name
    where lane.service = 'flights' and lane.lane = 0 and lease_until > clock_timestamp()
"""
BROKER, WRITER = "broker", "writer"
# What happens once so much is applied. The broker first: the services must still be publishing.
CHAOS = ((0.03, BROKER), (0.20, WRITER), (0.45, WRITER), (0.70, WRITER))


@dataclass
class Faults:
    """What is done to the stack while it works: ``due`` in order, then counted."""

    stack: Stack
    due: list[tuple[float, str]]
    writers_killed: int = 0
    broker_restarts: int = 0

    def strike(self, part_applied: float, sampler: Sampler) -> None:
        """Do what is due: restart the broker, or kill the writer that is at work (the supervisor starts it again)."""
        if not self.due or part_applied < self.due[0][0]:
            return
        if self.due[0][1] == BROKER:
            self.stack.restart("rabbitmq")
            self.broker_restarts += 1
        else:
            owners = sampler.ask(_OWNER)
            if not owners:
                return  # between two writers: the fault waits for the next one
            self.stack.kill(owners[0][0].partition("@")[0], signal.SIGKILL)
            self.writers_killed += 1
        del self.due[0]


class DemoError(WritegateError):
    """The work did not come to its end; the text has how far it came."""


def run(servers: Servers, *, flights: int, chaos: bool, report: Callable[[int, int], None]) -> Phase:
    """Publish the flights and their weather, wait until all is applied, and compare.

    ``report(applied, of)`` is called with how far it is.
    """
    rows = oracle.scheduled(flights)
    until = oracle.last_hour(rows) + timedelta(hours=1)
    weather = oracle.weather_tables(until)
    total = sum(oracle.commands(rows).values()) + len(weather["weather.observation"])
    stack = servers.stack
    faults = Faults(stack, list(CHAOS if chaos else ()))
    started = time.monotonic()
    with Sampler(servers.database_url(SUPERUSER)) as sampler:
        with _replays(stack, flights, until.isoformat()) as replays:
            parked = _until_applied(sampler, total, faults, replays, report)
            took = time.monotonic() - started
            calls = [json.loads(replay.communicate()[0]) for replay in replays]
        expected = {**oracle.flight_tables(rows), **oracle.fleet_tables(rows), **weather}
        wrong = list(differences(expected, sampler.ask))
        for line in wrong[:5]:
            sys.stderr.write(f"{line}\n")
        ((longest_lag,),) = sampler.ask(_LONGEST_LAG)
        return Phase(
            peak_connections=sampler.peak_connections,
            deadlocks=sampler.deadlocks,
            writes_per_s=total / took,
            worst_wait_s=max(call["longest_call_s"] for call in calls),
            exact=not wrong,
            commands=total,
            seconds=took,
            parked=parked,
            extra={
                "longest_lag_s": round(longest_lag, 1),
                "writers_killed": faults.writers_killed,
                "broker_restarts": faults.broker_restarts,
            },
        )


@contextmanager
def _replays(stack: Stack, flights: int, until: str) -> Iterator[list[subprocess.Popen[str]]]:
    """The services' replays, running; none is left behind."""
    arguments = {"flights": ["--limit", str(flights)], "weather": ["--until", until]}
    replays = [
        subprocess.Popen(
            [sys.executable, "-m", service, "replay", *options],
            env=stack.environment(service),
            stdout=subprocess.PIPE,
            stderr=stack.log(f"replay-{service}").open("w"),
            text=True,
        )
        for service, options in arguments.items()
    ]
    try:
        yield replays
    finally:
        for replay in replays:
            replay.kill()
            replay.wait()


def _until_applied(
    sampler: Sampler,
    total: int,
    faults: Faults,
    replays: list[subprocess.Popen[str]],
    report: Callable[[int, int], None],
) -> int:
    """Return the number of parked commands once every command is decided and nothing waits to be published."""
    decided_before, since = -1, time.monotonic()
    while True:
        ((applied, parked, outbox),) = sampler.ask(_APPLIED)
        report(applied, total)
        if applied + parked >= total and not outbox and all(replay.poll() == 0 for replay in replays):
            return int(parked)
        if applied + parked != decided_before:
            decided_before, since = applied + parked, time.monotonic()
        if any(replay.poll() for replay in replays):
            raise DemoError("a replay failed: see its log, replay-*.log")
        if time.monotonic() - since > STALLED_SECONDS:
            raise DemoError(
                f"{applied:,} of {total:,} applied, {parked} parked, {outbox} in the outbox, then nothing more"
            )
        faults.strike(applied / total, sampler)
        time.sleep(POLL_SECONDS)
