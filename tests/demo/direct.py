"""One connection that writes directly, as services do without a gate: their own handlers, one command a transaction."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from fleet.contract import LogFlight
from writegate import Command, contract_of, key_of
from writegate_writer.handlers.emit import collecting
from writegate_writer.handlers.writes import ManyHandler

VICTIM = frozenset({"40P01", "40001"})  # deadlock detected, serialization failure: the server asks to try again
CANCELLED = "57014"
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.02, 1.0


@dataclass
class Done:
    """What one connection did. ``committed``: each command's task and what it is about."""

    committed: list[tuple[str, str]] = field(default_factory=list)
    worst_wait_s: float = 0.0
    retries: int = 0
    cut_off: int = 0


class CutOff(Exception):
    """The command in hand was not committed when the time was over."""


class DirectWriter:
    """Applies commands over its own connection until the time is over."""

    def __init__(self, connection: Connection, seconds: float, handlers: Mapping[str, ManyHandler[Any]]) -> None:
        self._connection = connection
        self._handlers = handlers
        self._end = time.monotonic() + seconds
        self.done = Done()

    def work(self, share: list[Command]) -> Done:
        """Apply a share in order, what a handler emits right after its command."""
        todo: list[Command] = []
        position = 0
        while time.monotonic() < self._end and (todo or position < len(share)):
            if not todo:
                todo.append(share[position])
                position += 1
            started = time.monotonic()
            command = todo.pop(0)
            try:
                todo += self._until_committed(command)
                self.done.committed.append((contract_of(command).task, _about(command)))
            except CutOff:
                self.done.cut_off += 1
            # A command that was cut off has waited at least so long.
            self.done.worst_wait_s = max(self.done.worst_wait_s, time.monotonic() - started)
        return self.done

    def _until_committed(self, command: Command) -> list[Command]:
        """Try until it is committed, as good services do: after a pause at random that doubles with each attempt."""
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                with collecting() as emitted, self._connection.begin():
                    self._handlers[contract_of(command).task](self._connection, [command])
                    followers = [emission.command for emission in emitted]
            except DBAPIError as error:
                self._judge(error)
            else:
                return followers
            time.sleep(random.uniform(0, pause))
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def _judge(self, error: DBAPIError) -> None:
        state = getattr(error.orig, "pgcode", None)
        if state not in VICTIM and state != CANCELLED:
            raise error
        self.done.retries += state in VICTIM
        if time.monotonic() >= self._end:
            raise CutOff from error


def _about(command: Command) -> str:
    # An airframe is logged many times: which flight it was is what counts.
    return command.flight if isinstance(command, LogFlight) else key_of(command) or ""
