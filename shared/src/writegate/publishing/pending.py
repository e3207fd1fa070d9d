"""What a publish call returns: how the command was accepted, and a receipt that may still arrive."""

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
"""``confirmed``: on disk at a majority of the queue's replicas; ``spooled``: on this machine's disk, to be sent."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """An accepted command: it will be written, unless the writer parks it with a cause."""

    command_id: str
    accepted_by: AcceptedBy = "confirmed"


class Lookup(Protocol):
    """What can ask a writer about a command, such as a publisher."""

    def lookup(self, service: str, command_id: str, timeout: float = 5.0) -> Receipt | None:
        """Ask what became of a command."""

    async def alookup(self, service: str, command_id: str, timeout: float = 5.0) -> Receipt | None:
        """:meth:`lookup` for event loops."""


class Answers:
    """What writers answer about one command: the first receipt, and the final one, which may be the same.

    ``None`` is the answer to a question about an unknown command. Made by any thread; answered by the publisher's I/O
    thread.
    """

    def __init__(self) -> None:
        self.first = _future()
        self.final = _future()

    def answer(self, receipt: Receipt | None) -> bool:
        """Take an answer; return whether it is the last one."""
        final = receipt is None or receipt.final
        for future in (self.first, self.final) if final else (self.first,):
            if not future.done():
                future.set_result(receipt)
        return final

    def fail(self, error: Exception) -> None:
        """An answer came that cannot be read."""
        for future in (self.first, self.final):
            if not future.done():
                future.set_exception(error)


def _future() -> Future[Receipt | None]:
    """Return a future that cannot be cancelled: who waits for it may give up, and others wait for it as well."""
    future: Future[Receipt | None] = Future()
    future.set_running_or_notify_cancel()
    return future


class PendingReceipt:
    """A receipt that may still arrive. The command is accepted, whether the receipt arrives or not.

    ``wait()`` blocks for it; in an event loop, await it. The writer sends one when it first decides the command; after
    one that says deferred it sends another when the command is final. They reach this process only while its connection
    to the broker lasts: when none arrived, ``lookup()`` asks again. It needs the service and the id only
    (:meth:`writegate.publishing.Publisher.lookup`), so another process can ask as well.
    """

    def __init__(self, accepted: Accepted, service: str, answers: Answers, publisher: Lookup, timeout: float) -> None:
        self.command_id = accepted.command_id
        self.accepted_by: AcceptedBy = accepted.accepted_by
        self._service = service
        self._answers = answers
        self._publisher = publisher
        self._timeout = timeout

    def wait(self, timeout: float | None = None, *, final: bool = True) -> Receipt:
        """Block until the command is decided for good; with ``final=False`` a receipt that says deferred counts too.

        Raises :class:`~writegate.errors.ReceiptTimeout` after ``timeout`` seconds (default: the publisher's limit).
        """
        seconds = self._timeout if timeout is None else timeout
        try:
            receipt = self._awaited(final=final).result(seconds)
        except FutureTimeout:
            raise self._late(seconds) from None
        return self._known(receipt)

    async def get(self, timeout: float | None = None, *, final: bool = True) -> Receipt:
        """:meth:`wait` for event loops."""
        seconds = self._timeout if timeout is None else timeout
        try:
            waiting = asyncio.shield(asyncio.wrap_future(self._awaited(final=final)))
            receipt = await asyncio.wait_for(waiting, seconds)
        except TimeoutError:
            raise self._late(seconds) from None
        return self._known(receipt)

    def __await__(self) -> Generator[Any, None, Receipt]:
        """Wait within the publisher's time limit; :meth:`get` takes a different one."""
        return self.get().__await__()

    def lookup(self, timeout: float = 5.0) -> Receipt | None:
        """Ask the writer what became of the command; None when it has not been decided."""
        return self._publisher.lookup(self._service, self.command_id, timeout)

    async def alookup(self, timeout: float = 5.0) -> Receipt | None:
        """:meth:`lookup` for event loops."""
        return await self._publisher.alookup(self._service, self.command_id, timeout)

    def _awaited(self, *, final: bool) -> Future[Receipt | None]:
        return self._answers.final if final else self._answers.first

    def _known(self, receipt: Receipt | None) -> Receipt:
        assert receipt is not None  # noqa: S101  only a lookup is answered with None
        return receipt

    def _late(self, timeout: float) -> ReceiptTimeout:
        first = self._answers.first
        if first.done() and (receipt := first.result()) is not None:
            return ReceiptTimeout(
                f"{self.command_id} is {receipt.outcome} after {timeout} s ({receipt.reason}): look it up later"
            )
        return ReceiptTimeout(
            f"no receipt of {self.command_id} within {timeout} s; the command is accepted: look it up later"
        )
