"""A stream of numbered commands from one publisher, and what must be true of them in the end, come what may."""

from __future__ import annotations

import itertools
import threading
from types import TracebackType
from typing import Self

from tests.deadlines import patient
from tests.integration.gate import PATIENCE_SECONDS, Gate
from tests.services.shards.contract import Book
from tests.services.trial.contract import Deposit
from writegate import contract_of
from writegate.errors import RetryablePublishError
from writegate_devkit.stack.readiness import POLL_SECONDS

ACCOUNTS = 8
PACE_SECONDS = 0.02  # about 1500 commands a second: enough to be always in the middle of something


class Load:
    """Publishes as long as the block lasts, and retries what the broker does not take, as a service must."""

    def __init__(
        self, gate: Gate, name: str, pace_seconds: float = PACE_SECONDS, command: type[Deposit | Book] = Deposit
    ) -> None:
        self._gate = gate
        self._command = command
        self._service = contract_of(command).service
        self._pace_seconds = pace_seconds
        self._accounts = [f"{name}-{number}" for number in range(ACCOUNTS)]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._publish, daemon=True)
        self.accepted = 0  # commands of each account

    def __enter__(self) -> Self:
        self._thread.start()
        self.wait_applied(1)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join(patient(60))
        assert error is not None or not self._thread.is_alive()

    def wait_applied(self, more: int, seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until so many more commands of an account are applied: what was broken works again."""
        [account, *_] = self._accounts
        count = len(self._gate.database.entries(account, service=self._service)[account]) + more
        self._gate.database.wait_entries(account, count, seconds, service=self._service)

    def check(self, seconds: float = PATIENCE_SECONDS) -> None:
        """Every accepted command has its effect, once, in the order of its key."""
        for account in self._accounts:
            self._gate.database.wait_entries(account, self.accepted, seconds, service=self._service)
        for account in self._accounts:
            self._gate.database.assert_exactly_once(account, range(self.accepted), self._service)

    def _publish(self) -> None:
        with self._gate.broker.publisher(self._service, WRITEGATE_PUBLISH_TIMEOUT_SECONDS="2") as publisher:
            for first in itertools.count(step=5):
                commands = [
                    self._command(account=account, seq=seq)
                    for seq in range(first, first + 5)
                    for account in self._accounts
                ]
                while True:
                    try:
                        publisher.publish_many(commands)
                        break
                    except RetryablePublishError:
                        self._stop.wait(POLL_SECONDS)
                self.accepted = first + 5
                if self._stop.wait(self._pace_seconds):
                    return
