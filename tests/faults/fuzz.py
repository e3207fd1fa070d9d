"""``python -m tests.faults.fuzz --messages 100000``: anything at all into the lanes of a live writer.

The writer must not end, and of every message it must be known what became of it: applied, a duplicate, parked,
deferred, or with the broker's dead letters. The good ones among them are all applied, once and in order.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import amqp

from tests.deadlines import patient
from tests.faults.fuzz_messages import GOOD, Forge, Probe, content_id, good_account
from tests.integration.gate import Gate, gate_running
from tests.servers import Servers, servers_running
from tests.services.trial.contract import Deposit, trial
from writegate.contract.ids import ledger_id
from writegate.contract.lanes import lane_of
from writegate.message.topology import dead_queue_name, exchange_name, queue_name
from writegate_writer.receive.sanitizing import sanitize_text

PATIENCE_SECONDS: Final = patient(900)
MOST_WAITING: Final = 20_000  # messages in the lanes, lest the broker runs out of memory


@dataclass
class Traces:
    """What became of messages, by id: as the ledger has them (``applied``, ``deferred``) or as they came."""

    applied: set[str] = field(default_factory=set)
    parked: dict[str, str] = field(default_factory=dict)  # with the cause
    deferred: set[str] = field(default_factory=set)
    dead: dict[str, str] = field(default_factory=dict)  # with the broker's reason

    def of(self, id_: str) -> str | None:
        """Return what became of an id."""
        plain = sanitize_text(id_)
        if plain in self.parked:
            return f"parked: {self.parked[plain]}"
        if plain in self.dead:
            return f"dead letter: {self.dead[plain]}"
        known = ledger_id(plain)
        return "applied" if known in self.applied else "deferred" if known in self.deferred else None


def run(servers: Servers, messages: int, seed: int) -> Counter[str]:
    """Send so many messages; return how many of each fate. Raises :class:`AssertionError` for what does not hold."""
    with gate_running(servers, "fuzz") as gate:
        writer = gate.writers.start()
        probes = send_all(gate, messages, seed)
        settle(gate)
        assert writer.alive, f"the writer ended: {writer.log[-3000:]}"
        assert "Traceback" not in writer.log, f"an error of the writer's own: {_around_traceback(writer.log)}"
        gate.writers.stop_all()
        lanes = [queue_name("trial", lane) for lane in range(trial.lanes)]
        assert {name: gate.broker.ready_counts()[name] for name in lanes} == dict.fromkeys(lanes, 0)
        traces = read_traces(gate)
        check_good(gate, probes)
        check_nothing_twice(gate)
        return fates(probes, traces)


def _around_traceback(log: str) -> str:
    at = log.index("Traceback")
    return log[max(0, at - 500) : at + 3000]


def send_all(gate: Gate, messages: int, seed: int) -> list[Probe]:
    """Send them; the broker has taken them all when it returns."""
    forge = Forge(seed)
    probes = []
    with raw_channel(gate) as channel:
        for number in range(messages):
            probe = forge.next()
            probes.append(probe)
            message = probe.message
            what = amqp.Message(message.body, application_headers=message.headers, **message.properties)
            channel.basic_publish(what, exchange_name("trial"), probe.routing_key)
            if number % 500 == 0:
                gate.wait(lambda: _waiting(channel) < MOST_WAITING, "the writer keeps up", PATIENCE_SECONDS)
        _waiting(channel)  # its answer comes after all that was sent before it
    return probes


@contextmanager
def raw_channel(gate: Gate) -> Iterator[Any]:
    """Yield a channel of py-amqp, which sends what is no text as it is."""
    url = urlsplit(gate.broker.url())
    with amqp.Connection(
        f"{url.hostname}:{url.port}", url.username or "", url.password or "", virtual_host=unquote(url.path[1:])
    ) as connection:
        yield connection.channel()


def _waiting(channel: Any) -> int:
    lanes = [queue_name("trial", lane) for lane in range(trial.lanes)]
    return sum(int(channel.queue_declare(lane, passive=True).message_count) for lane in lanes)


def settle(gate: Gate) -> None:
    """Wait until each lane has come to its end; twice: what was in the wrong lane has reached the right one then."""
    for lap in range(2):
        ends = [Deposit(account=account, seq=0) for account in _account_of_each_lane(f"end-{lap}")]
        gate.broker.publish(ends)
        for end in ends:
            gate.database.wait_entries(end.account, 1, PATIENCE_SECONDS)


def _account_of_each_lane(prefix: str) -> Iterator[str]:
    for lane in range(trial.lanes):
        yield next(name for number in count() if lane_of(name := f"{prefix}-{number}", trial.lanes) == lane)


def read_traces(gate: Gate) -> Traces:
    """Return what the database and the dead-letter queue hold."""
    traces = Traces(
        applied={id_ for (id_,) in gate.database.sql("SELECT id::text FROM writegate.ledger WHERE outcome = 'a'")},
        parked=dict(gate.database.sql("SELECT id, cause FROM writegate.parked")),
        deferred={id_ for (id_,) in gate.database.sql("SELECT ledger_id::text FROM writegate.deferred")},
    )
    with gate.broker.channel() as channel:
        while True:
            method, properties, body = channel.basic_get(dead_queue_name("trial"), auto_ack=True)
            if method is None:
                return traces
            traces.dead[content_id(body)] = str(properties.headers["x-first-death-reason"])


def fates(probes: Sequence[Probe], traces: Traces) -> Counter[str]:
    """Return how many messages had each fate; fail when one left no trace, or contradicting ones."""
    counted: Counter[str] = Counter()
    lost = []
    for probe in probes:
        found = next((fate for id_ in probe.ids if (fate := traces.of(id_)) is not None), None)
        rows = [traces.of(id_) for id_ in probe.rows]
        if found is not None:
            counted[found] += 1
        elif rows and None not in rows:
            counted["many, each decided"] += 1
        elif probe.question:
            counted["question"] += 1
        else:
            lost.append(probe)
    assert not lost, f"{len(lost)} messages left no trace, such as {lost[0]}"
    check_one_decision(probes, traces)
    return counted


def check_one_decision(probes: Sequence[Probe], traces: Traces) -> None:
    """What was sent once was not applied and parked as well."""
    times = Counter(id_ for probe in probes for id_ in (*probe.ids, *probe.rows))
    both = [id_ for id_ in traces.parked if times[id_] == 1 and ledger_id(id_) in traces.applied]
    assert not both, f"applied, and parked as well: {both[:5]}"


def check_good(gate: Gate, probes: Sequence[Probe]) -> None:
    """Every good message is applied once, in order."""
    expected: dict[str, list[int]] = defaultdict(list)
    for probe in probes:
        if probe.kind == GOOD:
            expected[good_account(probe.serial)].append(probe.serial)
    for account, seqs in expected.items():
        gate.database.assert_exactly_once(account, seqs)


def check_nothing_twice(gate: Gate) -> None:
    """No message says the same of an account as another, so nothing may be booked twice."""
    twice = gate.database.sql("SELECT account, seq FROM trial.entry GROUP BY 1, 2 HAVING count(*) > 1 LIMIT 5")
    assert twice == [], f"booked twice: {twice}"


def main() -> int:
    """Print what became of the messages; return 0 when everything holds."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.fuzz", description=__doc__)
    parser.add_argument("--messages", type=int, default=100_000, help="how many (default: 100,000)")
    parser.add_argument("--seed", type=int, default=1, help="which (default: 1)")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    with servers_running() as servers:
        counted = run(servers, given.messages, given.seed)
    for fate, times in counted.most_common():
        sys.stdout.write(f"{fate:32} {times:9,}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
