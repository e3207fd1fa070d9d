"""What a publish call returns."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from writegate.errors import ReceiptTimeout
from writegate.message.receipt import Receipt

AcceptedBy = Literal["confirmed", "spooled"]
"""Confirmed: on disk at a majority of the replicas of its queue. Spooled: on this machine's disk, to be sent."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A command was accepted: it will be written, unless the writer parks it with a cause."""

    command_id: str
    accepted_by: AcceptedBy = "confirmed"


class Asking(Protocol):
    """Whoever can ask the writers, such as a publisher."""

    def lookup(self, service: str, command_id: str, timeout: float = 5.0) -> Receipt | None:
        """Ask what became of a command."""

    async def alookup(self, service: str, command_id: str, timeout: float = 5.0) -> Receipt | None:
        """The same without blocking the event loop."""


class PendingReceipt:
    """A receipt that may arrive. The command is accepted already, whatever comes of the receipt.

    ``wait()`` blocks for it; in an event loop it is awaited. It is sent once, when the command is first decided: after
    one that says deferred, or none at all, ``lookup()`` asks again. That takes no more than the service and the id
    (:meth:`writegate.publishing.Publisher.lookup`): another process, or the next one, can ask too.
    """

    def __init__(
        self, accepted: Accepted, service: str, answer: Future[Receipt | None], asking: Asking, timeout: float
    ) -> None:
        self.command_id = accepted.command_id
        self.accepted_by: AcceptedBy = accepted.accepted_by
        self._service = service
        self._answer = answer
        self._asking = asking
        self._timeout = timeout

    def wait(self, timeout: float | None = None) -> Receipt:
        """Block until the receipt is there.

        Raises :class:`ReceiptTimeout` after ``timeout`` seconds (default: the publisher's time limit).
        """
        seconds = self._timeout if timeout is None else timeout
        try:
            receipt = self._answer.result(seconds)
        except FutureTimeout:
            raise self._late(seconds) from None
        return self._known(receipt)

    async def get(self, timeout: float | None = None) -> Receipt:
        """:meth:`wait` for event loops."""
        seconds = self._timeout if timeout is None else timeout
        try:
            receipt = await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(self._answer)), seconds)
        except TimeoutError:
            raise self._late(seconds) from None
        return self._known(receipt)

    def __await__(self) -> Generator[Any, None, Receipt]:
        """Wait within the publisher's time limit; :meth:`get` takes another."""
        return self.get().__await__()

    def lookup(self, timeout: float = 5.0) -> Receipt | None:
        """Ask the writer what became of the command; None when it has not been decided."""
        return self._asking.lookup(self._service, self.command_id, timeout)

    async def alookup(self, timeout: float = 5.0) -> Receipt | None:
        """:meth:`lookup` for event loops."""
        return await self._asking.alookup(self._service, self.command_id, timeout)

    def _known(self, receipt: Receipt | None) -> Receipt:
        assert receipt is not None  # noqa: S101  only a look-up is answered with None
        return receipt

    def _late(self, timeout: float) -> ReceiptTimeout:
        return ReceiptTimeout(
            f"no receipt of {self.command_id} within {timeout} s; the command is accepted: look it up later"
        )
