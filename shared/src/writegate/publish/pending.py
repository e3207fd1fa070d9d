"""What a publish call returns."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from typing import Literal

from writegate.errors import ReceiptTimeout
from writegate.receipt import Receipt

How = Literal["confirmed", "spooled"]
"""Confirmed: on disk at a majority of the replicas of its queue. Spooled: on this machine's disk, to be sent."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A command was accepted: it will be written, unless the writer parks it with a cause."""

    command_id: str
    how: How = "confirmed"


class PendingReceipt:
    """A receipt that may arrive. The command is accepted already, whatever comes of the receipt."""

    def __init__(self, command_id: str, how: How, future: Future[Receipt | None]) -> None:
        self.command_id = command_id
        self.how = how
        self._future = future

    def wait(self, timeout: float) -> Receipt:
        """Block until the receipt is there; :class:`ReceiptTimeout` after ``timeout`` seconds."""
        try:
            receipt = self._future.result(timeout)
        except FutureTimeout:
            raise self._late(timeout) from None
        return self._known(receipt)

    async def get(self, timeout: float) -> Receipt:
        """The same without blocking the event loop."""
        try:
            receipt = await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(self._future)), timeout)
        except TimeoutError:
            raise self._late(timeout) from None
        return self._known(receipt)

    def _known(self, receipt: Receipt | None) -> Receipt:
        assert receipt is not None  # noqa: S101  only a look-up is answered with None
        return receipt

    def _late(self, timeout: float) -> ReceiptTimeout:
        return ReceiptTimeout(
            f"no receipt of {self.command_id} within {timeout} s; the command is accepted: look it up later"
        )
