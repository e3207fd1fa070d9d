"""An eager mode for the tests of services that wait for receipts: what is published is applied at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine

from writegate.testing import MemoryBroker
from writegate.testing.memory_node import Sent
from writegate_writer.testing.drain import WRITER_APP, drain


@contextmanager
def eager(broker: MemoryBroker, connection: Connection | Engine) -> Iterator[None]:
    """Apply each message before its publisher gets the confirm, as long as the block lasts, as :func:`drain` does.

    So a receipt that was asked for is there when ``publish`` returns, and what handlers emit is applied as well. What
    waits when the block begins is applied first. The code under test may publish from any thread or event loop; the
    connection is used on the publisher's thread meanwhile, while whoever publishes waits.

    What :func:`drain` would raise, such as an error of a handler, ends the mode: later messages only wait. It is raised
    when the block ends, also in place of the block's own error, which is then its context.
    """
    lock = threading.Lock()
    failures: list[Exception] = []

    def apply(sent: Sent | None = None) -> None:
        if sent is not None and sent.properties.app_id == WRITER_APP:
            return  # emitted or forwarded by the drain that is going on, which takes it next
        with lock:
            if failures:
                return
            try:
                drain(broker, connection)
            except Exception as error:  # noqa: BLE001  this is the publisher's thread: it is raised on the test's
                failures.append(error)

    apply()
    broker.on_stored(apply)
    try:
        yield
    finally:
        broker.on_stored(None)
        if failures:
            raise failures[0]
