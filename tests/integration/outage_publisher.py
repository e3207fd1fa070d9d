"""One process of :mod:`test_broker_outage`: publishes at a steady rate, and writes down what it was told and how fast.

``python -m tests.integration.outage_publisher PREFIX RATE HISTORY``, until it is sent SIGTERM
"""

from __future__ import annotations

import itertools
import json
import signal
import sys
import threading
import time
from pathlib import Path

from tests.services.trial.contract import Deposit
from writegate.config import Settings
from writegate.errors import PublishError
from writegate.publishing import Publisher

KEYS = 8


def main(prefix: str, rate: float, history: Path) -> None:
    """Publish until told to end. A line a call: account, number, how it was accepted (or the error), seconds."""
    ending = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ending.set())
    started = time.monotonic()
    with Publisher(Settings.load(need=("broker_url",))) as publisher, history.open("a", buffering=1) as told:
        for number in itertools.count():
            # By the clock: a slow call is caught up with, as a service under load would.
            if ending.wait(max(0.0, started + number / rate - time.monotonic())):
                return
            account, seq = f"{prefix}-{number % KEYS}", number // KEYS
            asked = time.monotonic()
            try:
                how: str = publisher.publish(Deposit(account=account, seq=seq)).accepted_by
            except PublishError as error:
                how = type(error).__name__
            told.write(json.dumps([account, seq, how, time.monotonic() - asked]) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), Path(sys.argv[3]))
