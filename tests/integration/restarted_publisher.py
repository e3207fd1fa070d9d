"""One process of :mod:`test_switch`: publishes numbered commands, and goes on where the process before it ended.

``python -m tests.integration.restarted_publisher SERVICE ACCEPTED``, until it is sent SIGTERM. ACCEPTED is a file with
the number up to which commands of each account were accepted.
"""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path

from tests.services.shards.contract import Book
from tests.services.trial.contract import Deposit, Split
from writegate import Command
from writegate.config import Settings
from writegate.publishing import Publisher

ACCOUNTS = 8
AT_ONCE = 5  # commands of each account in a call
PACE_SECONDS = 0.1  # about 400 commands a second
EMITTED = "emitted"  # an account of commands that handlers emit


def account(number: int) -> str:
    """Return the name of an account."""
    return f"switched-{number}"


def commands(service: str, first: int) -> list[Command]:
    """Return what is published at once; with `trial`, as many commands for :data:`EMITTED`, by its handler."""
    kind = Deposit if service == "trial" else Book
    booked: list[Command] = [
        kind(account=account(number), seq=seq) for seq in range(first, first + AT_ONCE) for number in range(ACCOUNTS)
    ]
    return (
        [Split(account="source", into=EMITTED, first=first, count=AT_ONCE), *booked] if service == "trial" else booked
    )


def main(service: str, accepted: Path) -> None:
    """Publish until told to end."""
    ending = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ending.set())
    first = int(accepted.read_text()) if accepted.exists() else 0
    with Publisher(Settings.load(need=("broker_url",))) as publisher:
        while not ending.wait(PACE_SECONDS):
            publisher.publish_many(commands(service, first))
            first += AT_ONCE
            accepted.write_text(str(first))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
