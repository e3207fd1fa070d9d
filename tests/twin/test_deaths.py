"""Commands that end the process that applies them."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from contextlib import closing
from unittest import mock

from sqlalchemy import Connection

from tests.twin.batching import Cut
from tests.twin.databases import Databases, run
from tests.twin.stock.contract import Cheer, Jot
from tests.twin.stock.writes import writes
from writegate.contract.command import Command
from writegate_writer.database.session import Session

_MOST_DEATHS = 20


def die(_: Connection, __: Sequence[Command]) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def survives(both: Databases, name: str) -> bool:
    """Replay what waits in a process of its own; return whether it came to the end of that."""
    child = os.fork()
    if child == 0:
        try:
            with closing(Session(both.engine)) as session:
                both.batching_writer(name, session).replay()
        finally:
            os._exit(0)  # not by way of the tests
    _, status = os.waitpid(child, 0)
    return status == 0


def test_a_deferred_command_that_kills_is_given_up_and_its_neighbours_are_applied(both: Databases) -> None:
    """The broker, which counts deliveries, does not know of it any more."""
    killer = Cheer(name="all")
    _, writer = both.writers()
    writer.take_in([Jot(article="cup", text="a"), killer, Jot(article="cup", text="b")])
    with both.held("table:stock.tally"):
        writer.batch(Cut(commands=3, packed=3, delivered=0, hold=None, replayed=False))
    assert writer.waiting == 3
    with mock.patch.dict(writes.handlers, {"stock.cheer": die}):
        deaths = next(number for number in range(_MOST_DEATHS) if survives(both, f"writer {number}"))
    assert deaths == 13, "ten times together with fewer and fewer others, three times alone"
    assert run(both.batching, "select id, cause from writegate.parked") == [(killer.command_id, "crash")]
    assert run(both.batching, "select text from stock.story") == [("ab",)]
    assert run(both.batching, "select count(*) from writegate.suspect") == [(0,)]
