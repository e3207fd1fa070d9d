"""A publisher that keeps what it is given: for tests of when something is published, not of how."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from writegate import Command
from writegate.errors import PublishError
from writegate.message.receipt import Receipt
from writegate.publishing import Accepted, Publisher


class Applied:
    """A receipt that is there at once."""

    def __init__(self, command_id: str) -> None:
        self._receipt = Receipt(command_id, "applied")

    def wait(self, timeout: float) -> Receipt:  # noqa: ARG002  as the real one has it
        return self._receipt


class Recorder(Publisher):
    """Accepts everything, or raises ``error``. ``calls``: what came in each call, and by which method."""

    def __init__(self, error: PublishError | None = None) -> None:
        self.error = error
        self.calls: list[tuple[str, list[Command]]] = []

    @property
    def commands(self) -> list[Command]:
        return [command for _, commands in self.calls for command in commands]

    def publish(self, command: Command, *, receipt: bool = False, **_: Any) -> Any:
        [accepted] = self._take("publish", [command])
        return Applied(accepted.command_id) if receipt else accepted

    async def apublish(self, command: Command, **_: Any) -> Any:
        return self._take("apublish", [command])[0]

    def publish_many(self, commands: Iterable[Command], **_: Any) -> Any:
        return self._take("publish_many", commands)

    async def apublish_many(self, commands: Iterable[Command], **_: Any) -> Any:
        return self._take("apublish_many", commands)

    def _take(self, way: str, commands: Iterable[Command]) -> list[Accepted]:
        taken = list(commands)
        self.calls.append((way, taken))
        if self.error is not None:
            raise self.error
        return [Accepted(command.command_id) for command in taken]
