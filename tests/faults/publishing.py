"""A publisher's process: ``python -m tests.faults.publishing NAME HISTORY SEED``. It publishes until SIGTERM.

Each of its threads is a stream of calls, one after the other, whose commands it numbers. What is not accepted is tried
again with the same commands, as a service does, and given up after some tries: a number is never used again.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from unittest import mock

from tests.faults.history import Record
from tests.faults.trusting import TrustingWire
from tests.services.trial.contract import Step
from writegate.config import Settings
from writegate.errors import PublishError, RetryablePublishError
from writegate.publishing import Publisher, publisher

STREAMS = 3
ACCOUNTS = [f"account-{number}" for number in range(8)]  # of all publishers
MOST_COMMANDS = 12  # of one call
BAD_ONE_IN = 200
TRIES = 3
LONGEST_PAUSE_SECONDS = 0.3
TRUSTING = "TRUSTING"  # set in the environment: confirms are not waited for


class Stream:
    """Publishes from one thread."""

    def __init__(self, name: str, publisher: Publisher, record: Record, seed: str) -> None:
        self.name = name
        self._publisher = publisher
        self._record = record
        self._random = random.Random(f"{seed} {name}")
        self._seq = 0

    def run(self, ending: threading.Event) -> None:
        """Publish until the process is to end."""
        while not ending.wait(self._random.uniform(0, LONGEST_PAUSE_SECONDS)):
            self.call(self._steps(self._random.choice((1, 1, self._random.randint(2, MOST_COMMANDS)))))

    def call(self, steps: Sequence[Step]) -> bool:
        """Publish some commands in one call; return whether they were accepted."""
        self._record.intent(self.name, steps)
        for attempt in range(1, TRIES + 1):
            try:
                if len(steps) == 1:
                    self._publisher.publish(steps[0])
                else:
                    self._publisher.publish_many(steps)
            except PublishError as error:
                if attempt == TRIES or not isinstance(error, RetryablePublishError):
                    self._record.refused(steps, error)
                    return False
            else:
                self._record.accepted(steps)
                return True
        raise AssertionError

    def step(self, account: str, *, bad: bool = False) -> Step:
        """Return the next command."""
        self._seq += 1
        return Step(account=account, stream=self.name, seq=self._seq, bad=bad)

    def _steps(self, count: int) -> list[Step]:
        return [
            self.step(self._random.choice(ACCOUNTS), bad=self._random.random() < 1 / BAD_ONE_IN) for _ in range(count)
        ]


def main(name: str, history: str, seed: str) -> None:
    """Publish from some threads until the process is to end."""
    ending = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ending.set())
    if TRUSTING in os.environ:
        mock.patch.object(publisher, "Wire", TrustingWire).start()
    record = Record(Path(history))
    with Publisher(Settings.load(need=("broker_url",))) as shared:
        streams = [Stream(f"{name}.{number}", shared, record, seed) for number in range(STREAMS)]
        threads = [threading.Thread(target=stream.run, args=[ending]) for stream in streams]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    record.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
