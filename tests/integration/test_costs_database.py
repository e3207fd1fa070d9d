"""What the writer asks of PostgreSQL, counted: round trips, statements and transactions of a batch.

Whoever changes how a batch is applied changes the numbers here, with what they are made of.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import dropwhile

import pytest

from tests.asked import AskedRelay, RoundTrip
from tests.integration.gate import WRITER, Gate, gate_running
from tests.integration.gate_broker import send
from tests.servers import Servers
from tests.services.trial.contract import Deposit, Run, trial
from writegate import Command
from writegate.contract.ids import new_id
from writegate.contract.lanes import lane_of
from writegate.message.envelope import encode_many, item_of
from writegate.message.topology import queue_name

ACCOUNT = "costs"  # all commands here are of one lane


@dataclass(frozen=True)
class Cost:
    """What a batch asked for. ``transactions``: begun, those that failed included."""

    round_trips: int
    statements: int
    transactions: int
    commits: int


# Whatever the number of commands. Round trips: 1 to open the transaction, 1 to enter the batch, 1 for each statement of
# the handler (trial's deposits: entries, balances), 1 to leave the service's role, 1 to commit.
# Statements: BEGIN, fence, look-up; batch, ledger, SET ROLE; 2 of the handler; RESET ROLE, batch; SET ROLE, COMMIT,
# position.
BATCH = Cost(round_trips=6, statements=13, transactions=1, commits=1)
# Opened as any, and then there is nothing to write. Statements: BEGIN, fence, look-up; ROLLBACK.
DUPLICATES = Cost(round_trips=2, statements=4, transactions=1, commits=0)


class Counted:
    """A gate whose one writer reaches the database through a relay that takes down what is asked."""

    def __init__(self, gate: Gate, relay: AskedRelay) -> None:
        self.gate = gate
        self._relay = relay
        url = relay.in_place(gate.servers.database_url(WRITER, gate.name))
        gate.writers.start(slots=1, writegate_database_url=url)
        gate.wait_shared("writer-1")  # to start a domain costs something as well

    def cost(self, commands: Sequence[Command]) -> Cost:
        """Return what it costs to decide these, which travel in one message: so they are one batch."""
        before = len(self._relay.round_trips)

        def asked() -> list[RoundTrip]:
            return [one for one in _without_housekeeping(self._relay.round_trips, before) if _of_a_batch(one)]

        def begun(command: Command) -> list[RoundTrip]:
            return list(dropwhile(lambda one: command.command_id not in one.text, asked()))

        self._send(commands)
        self.gate.wait(lambda: bool(begun(commands[0])), "the batch is begun")
        # It is not begun before the batch is over, and not part of it.
        after = Deposit(account=ACCOUNT, seq=-1)
        self._send([after])
        self.gate.wait(lambda: "COMMIT" in _done(begun(after)), "the next batch is over")
        return _cost(asked()[: -len(begun(after))])

    def _send(self, commands: Sequence[Command]) -> None:
        lane = queue_name("trial", lane_of(ACCOUNT, trial.lanes))
        with self.gate.broker.channel() as channel:
            send(channel, lane, encode_many(new_id(), [item_of(one) for one in commands]))


def _of_a_batch(one: RoundTrip) -> bool:
    """Whether it is a slot's, and not its sign of life."""
    return one.application.startswith("writegate-writer") and one.text != "SELECT"


def _without_housekeeping(asked: Sequence[RoundTrip], first: int) -> list[RoundTrip]:
    """Return what was asked from the first on, without what a slot does between two batches.

    That begins and ends with a time limit of its own, and may have begun before the first.
    """
    batches: list[RoundTrip] = []
    busy: set[int] = set()  # connections with housekeeping
    for number, one in enumerate(asked):
        if one.text.startswith("SET statement_timeout"):
            busy.add(one.connection)
        if number >= first and one.connection not in busy:
            batches.append(one)
        if one.text.startswith("RESET statement_timeout"):
            busy.discard(one.connection)
    return batches


def _done(asked: Sequence[RoundTrip]) -> list[str]:
    return [what for one in asked for what in one.done]


def _cost(asked: Sequence[RoundTrip]) -> Cost:
    done = _done(asked)
    return Cost(len(asked), len(done), done.count("BEGIN"), done.count("COMMIT"))


@pytest.fixture(scope="module")
def counted(servers: Servers) -> Iterator[Counted]:
    with gate_running(servers, "gate_costs") as gate:
        relay = AskedRelay(servers.stack.state.ports["postgres"])
        yield Counted(gate, relay)
        gate.assert_drained()
        relay.close()


def deposits(count: int, *bad: int) -> list[Deposit]:
    return [Deposit(account=ACCOUNT, seq=seq, amount=-1 if seq in bad else 1) for seq in range(count)]


@pytest.mark.parametrize("commands", [1, 1000])
def test_a_batch_costs_the_same_whatever_its_size(counted: Counted, commands: int) -> None:
    assert counted.cost(deposits(commands)) == BATCH


def test_duplicates_cost_nothing_more(counted: Counted) -> None:
    seen = deposits(500)
    counted.cost(seen)
    assert counted.cost([*seen, *deposits(500)]) == BATCH
    assert counted.cost(seen) == DUPLICATES


def test_one_bad_command_in_512_costs_three_transactions_more(counted: Counted) -> None:
    # The whole fails, and PostgreSQL says which row it was. The first command alone fails as well; the others follow in
    # two strides, the first of which parks it.
    found = counted.cost(deposits(512, 0))
    assert (found.transactions, found.commits) == (4, 2)
    # What is before the last one is committed, then that one fails alone; nothing is left to park it with.
    found = counted.cost(deposits(512, 511))
    assert (found.transactions, found.commits) == (4, 2)


def test_five_bad_commands_in_512_cost_less_than_five_times_one(counted: Counted) -> None:
    found = counted.cost(deposits(512, 50, 150, 250, 350, 450))
    assert (found.transactions, found.commits) == (16, 6)


def test_a_handler_that_asks_for_each_command_is_seen(counted: Counted) -> None:
    """The negative control: `Run` reads its script and executes it, one command at a time."""
    counted.gate.database.sql("INSERT INTO trial.script VALUES ('nothing', 'SELECT 1')")
    one, ten = (counted.cost([Run(account=ACCOUNT, name="nothing") for _ in range(count)]) for count in (1, 10))
    assert ten.round_trips - one.round_trips == 2 * 9
