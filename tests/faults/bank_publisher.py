"""One of the bank's publishers, a process of its own: publishes until it is stopped, and retries as a service must.

What was accepted is known at the end: a call that failed is repeated with the same commands until it succeeds.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.synchronize import Event
from pathlib import Path
from random import Random
from time import sleep
from typing import Final

from tests.faults.services.bank.contract import ACCOUNTS, OPENING_CENTS, Transfer
from tests.faults.services.wallets.contract import Deposit, Withdraw
from writegate import Command
from writegate.config import Settings
from writegate.errors import RetryablePublishError
from writegate.publishing import Publisher
from writegate_devkit.stack.readiness import POLL_SECONDS

CALL_COMMANDS: Final = 10
PACE_SECONDS: Final = 0.2
WALLETS: Final = 16  # of each publisher


@dataclass
class Accepted:
    """What the broker has taken: ids of transfers with source, target and cents, and of moves with wallet and seq."""

    transfers: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    moves: dict[str, tuple[str, int]] = field(default_factory=dict)

    def add(self, other: Accepted) -> None:
        """Take in what another publisher had accepted."""
        self.transfers |= other.transfers
        self.moves |= other.moves


def publish(urls: tuple[str, str], number: int, seed: int, stop: Event, result: Path) -> None:
    """Publish as both services until ``stop`` is set; then write what was accepted to ``result``."""
    logging.getLogger("writegate").setLevel(logging.ERROR)  # that the broker goes away is what is tried
    bank_url, wallets_url = urls
    random = Random(f"{seed}/{number}")
    counts: Counter[str] = Counter()
    accepted = Accepted()
    with _publisher(bank_url) as bank, _publisher(wallets_url) as wallets:
        while not stop.wait(PACE_SECONDS):
            transfers = [random_transfer(random) for _ in range(CALL_COMMANDS)]
            moves = [
                _random_move(random, f"{number}-{random.randrange(WALLETS)}", counts) for _ in range(CALL_COMMANDS)
            ]
            _until_accepted(bank, transfers)
            accepted.transfers |= {
                transfer.command_id: (transfer.source, transfer.target, transfer.cents) for transfer in transfers
            }
            _until_accepted(wallets, moves)
            accepted.moves |= {move.command_id: (move.wallet, move.seq) for move in moves}
    result.write_text(json.dumps({"transfers": accepted.transfers, "moves": accepted.moves}))


def read(result: Path) -> Accepted:
    """Return what a publisher has written."""
    written = json.loads(result.read_text())
    return Accepted(
        {id_: (source, target, cents) for id_, (source, target, cents) in written["transfers"].items()},
        {id_: (wallet, seq) for id_, (wallet, seq) in written["moves"].items()},
    )


def random_transfer(random: Random) -> Transfer:
    """Return a transfer between two accounts, of more than is there now and then."""
    source, target = random.sample(range(ACCOUNTS), 2)
    return Transfer(source=source, target=target, cents=random.randint(1, OPENING_CENTS // 2))


def _random_move(random: Random, wallet: str, counts: Counter[str]) -> Deposit | Withdraw:
    counts[wallet] += 1
    seq, cents = counts[wallet], random.randint(1, 100)
    if random.random() < 0.6:
        return Deposit(wallet=wallet, seq=seq, cents=cents)
    return Withdraw(wallet=wallet, seq=seq, cents=cents)


def _publisher(url: str) -> Publisher:
    return Publisher(Settings.load({"WRITEGATE_BROKER_URL": url, "WRITEGATE_PUBLISH_TIMEOUT_SECONDS": "5"}))


def _until_accepted(publisher: Publisher, commands: Sequence[Command]) -> None:
    while True:
        try:
            publisher.publish_many(commands)
        except RetryablePublishError:
            sleep(POLL_SECONDS)
        else:
            return
