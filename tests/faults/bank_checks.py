"""What must be true of the bank: at every moment, and of every command in the end."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import pairwise
from typing import Any, Final

import psycopg2

from tests.faults.bank_publisher import Accepted
from tests.faults.sampling import Sampling
from tests.faults.services.bank.contract import ACCOUNTS, OPENING_CENTS
from tests.integration.gate import Gate

TOTAL_CENTS: Final = ACCOUNTS * OPENING_CENTS


class Reader(Sampling):
    """Reads the sum of all accounts; fails when it was ever another."""

    every_seconds = 0.01

    def __init__(self, gate: Gate) -> None:
        super().__init__(gate)
        self.wrong: list[int] = []

    def check(self) -> None:
        """Fail when money came from nowhere or went there."""
        assert self.samples > 10, f"the total was read {self.samples} times only"
        assert not self.wrong, f"the total is {TOTAL_CENTS}, but {len(self.wrong)} reads gave {self.wrong[:5]}"

    def sample(self, cursor: psycopg2.extensions.cursor) -> None:
        cursor.execute("SELECT sum(cents)::bigint FROM bank.account")
        [total] = cursor.fetchone() or (0,)
        if total != TOTAL_CENTS:
            self.wrong.append(total)


def deadlocks(gate: Gate) -> int:
    """Return how many deadlocks the database has counted."""
    return int(gate.database.value("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"))


def check_no_deadlock(gate: Gate, before: int) -> None:
    """Writers never wait for each other in a circle."""
    assert deadlocks(gate) == before, f"{deadlocks(gate) - before} deadlocks"


def check_transfers(gate: Gate, accepted: Accepted) -> int:
    """Each accepted transfer was made once or rejected with its cause; the balances are what follows from that.

    Returns how many were rejected.
    """
    rows = gate.database.sql("SELECT id, source, target, cents FROM bank.transfer")
    made = {id_: (source, target, cents) for id_, source, target, cents in rows}
    rejected = _check_decided(gate, "bank", [id_ for id_, *_ in rows], set(accepted.transfers))
    assert all(accepted.transfers[id_] == what for id_, what in made.items()), "another transfer than was asked for"
    balances = dict.fromkeys(range(ACCOUNTS), OPENING_CENTS)
    for source, target, cents in made.values():
        balances[source] -= cents
        balances[target] += cents
    assert dict(gate.database.sql("SELECT number, cents FROM bank.account")) == balances
    return rejected


def check_moves(gate: Gate, accepted: Accepted) -> int:
    """The same for the wallets, and each wallet's commands were applied in order. Returns how many were rejected."""
    rows = gate.database.sql("SELECT wallet, seq, cents FROM wallets.movement ORDER BY position")
    ids = {move: id_ for id_, move in accepted.moves.items()}
    rejected = _check_decided(gate, "wallets", [ids[wallet, seq] for wallet, seq, _ in rows], set(accepted.moves))
    order: dict[str, list[int]] = defaultdict(list)
    balances: Counter[str] = Counter()
    for wallet, seq, cents in rows:
        order[wallet].append(seq)
        balances[wallet] += cents
    inverted = [wallet for wallet, seqs in order.items() if any(seq > next_ for seq, next_ in pairwise(seqs))]
    assert not inverted, f"applied in another order: {inverted[:5]}"
    assert dict(gate.database.sql("SELECT name, cents FROM wallets.wallet")) == dict(balances)
    return rejected


def _check_decided(gate: Gate, service: str, applied: list[str], accepted: set[str]) -> int:
    """Each accepted command is applied once, or parked as rejected, and the ledger says the same."""
    doubled = [id_ for id_, times in Counter(applied).items() if times > 1]
    assert not doubled, f"{service}: applied more than once: {doubled[:5]}"
    parked = _pairs(gate, "SELECT id, cause FROM writegate.parked WHERE service = %s", service)
    assert not (both := parked.keys() & set(applied)), f"{service}: applied and parked: {list(both)[:5]}"
    assert set(parked.values()) <= {"rejected"}, f"{service}: parked for {Counter(parked.values())}"
    lost = accepted - parked.keys() - set(applied)
    assert not lost, f"{service}: {len(lost)} accepted and never decided: {list(lost)[:5]}"
    assert not (strange := (parked.keys() | set(applied)) - accepted), f"{service}: never accepted: {list(strange)[:5]}"
    ledger = _pairs(gate, "SELECT id::text, outcome FROM writegate.ledger WHERE service = %s", service)
    assert ledger == dict.fromkeys(applied, "a") | dict.fromkeys(parked, "p")
    return len(parked)


def _pairs(gate: Gate, query: str, service: str) -> dict[str, Any]:
    return dict(gate.database.sql(query, [service]))
