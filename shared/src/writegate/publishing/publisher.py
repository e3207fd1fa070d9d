"""Publishing commands: typed, confirmed, in order per key, within a time limit."""

from __future__ import annotations

import asyncio
import atexit
import math
import os
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from functools import partial
from typing import Any, Literal, Self, overload
from weakref import WeakSet, WeakValueDictionary

from pydantic_core import to_json

from writegate.config import Settings
from writegate.contract.command import Command, contract_of
from writegate.contract.ids import new_id
from writegate.errors import PublisherBusy, PublisherClosed, ReceiptTimeout, TooLarge, UsedAfterFork
from writegate.message.envelope import LOOKUP_TASK, PACK_BYTES, Item, item_of, row_bytes
from writegate.message.receipt import Receipt, from_result_message
from writegate.message.topology import ANY, Route, exchange_name, route_of
from writegate.publishing.capacity import CapacityLimiter
from writegate.publishing.engine import Engine
from writegate.publishing.event_loops import wait_for
from writegate.publishing.pending import Accepted, AcceptedBy, Answers, PendingReceipt
from writegate.publishing.pipeline import Call, parcels_of
from writegate.publishing.spool import open_spool
from writegate.publishing.wire import Carrier, Listener, Wire
from writegate.telemetry import observed, observers_of

_POLL_SECONDS = 0.01
_open: WeakSet[Publisher] = WeakSet()  # a publisher lives as long as its I/O thread


class Publisher:
    """Publishes commands over one connection, for any number of threads and event loops of one process.

    It has one I/O thread of its own. ``app_id`` names the publishing service in its messages; the default is the name
    of the broker user. While the broker does not take commands they go to the spool, unless that is switched off by its
    setting or by ``spool=False``. ``wire`` replaces the connection to the broker in tests. Raises
    :class:`~writegate.errors.SpoolBroken` when the spool cannot be opened.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        app_id: str | None = None,
        spool: bool = True,
        wire: Callable[[Listener], Carrier] | None = None,
    ) -> None:
        self._timeout_seconds = settings.publish_timeout_seconds
        self._observers = observers_of(settings)
        self._spool = open_spool(settings) if spool else None
        self._capacity = CapacityLimiter(settings.publish_waiting)
        self._pid = os.getpid()
        self._closed = False
        # Weak: an answer may never come, and a receipt that its caller has dropped must not stay in memory.
        self._receipts: WeakValueDictionary[str, Answers] = WeakValueDictionary()
        self._engine = Engine(
            wire or partial(Wire, settings),
            app_id,
            self._replied,
            on_login=self._note_login,
            spool=self._spool,
            when_full=settings.when_full,
        )
        try:
            self._engine.wire.start()
        except RuntimeError as error:  # from Python 3.12 on
            raise PublisherClosed(
                "", "this program is ending and starts no thread: import writegate before registering with atexit"
            ) from error
        _open.add(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def connected(self) -> bool:
        """Whether the broker is connected and takes commands now."""
        return self._engine.connected

    @property
    def login_refused(self) -> str | None:
        """Why the broker does not let this process in, in the broker's words; None when it does, or is away."""
        return self._engine.login.refused

    @property
    def user(self) -> str:
        """The name of the broker user that it publishes as."""
        return self._engine.wire.user

    @overload
    def publish(self, command: Command, *, timeout: float | None = None) -> Accepted: ...
    @overload
    def publish(self, command: Command, *, receipt: Literal[True], timeout: float | None = None) -> PendingReceipt: ...
    def publish(
        self, command: Command, *, receipt: bool = False, timeout: float | None = None
    ) -> Accepted | PendingReceipt:
        """Publish one command; return once the broker has confirmed it, or the spool has it on disk.

        ``timeout`` in seconds (default: the setting). With ``receipt`` the writer sends a receipt, which the result
        waits for. Raises a :class:`~writegate.errors.PublishError`, also after the time limit. Publishing the same
        object again is a retry under the same id, never a second write.
        """
        item = item_of(command)
        answer = self._expect(item.id) if receipt else None
        spooled = self._hand_in([_addressed(command, item)], timeout, receipt=receipt).result()
        accepted = Accepted(item.id, _accepted_by(spooled, item))
        return accepted if answer is None else self._pending(command, accepted, answer)

    @overload
    async def apublish(self, command: Command, *, timeout: float | None = None) -> Accepted: ...
    @overload
    async def apublish(
        self, command: Command, *, receipt: Literal[True], timeout: float | None = None
    ) -> PendingReceipt: ...
    async def apublish(
        self, command: Command, *, receipt: bool = False, timeout: float | None = None
    ) -> Accepted | PendingReceipt:
        """:meth:`publish` for event loops."""
        item = item_of(command)
        answer = self._expect(item.id) if receipt else None
        handed_in = self._hand_in([_addressed(command, item)], timeout, receipt=receipt, may_block=False)
        accepted = Accepted(item.id, _accepted_by(await wait_for(handed_in), item))
        return accepted if answer is None else self._pending(command, accepted, answer)

    @overload
    def publish_many(self, commands: Iterable[Command], *, timeout: float | None = None) -> list[Accepted]: ...
    @overload
    def publish_many(
        self, commands: Iterable[Command], *, receipt: Literal[True], timeout: float | None = None
    ) -> list[PendingReceipt]: ...
    def publish_many(
        self, commands: Iterable[Command], *, receipt: bool = False, timeout: float | None = None
    ) -> list[Accepted] | list[PendingReceipt]:
        """Publish many commands, packed by lane into few messages; return once all are confirmed or in the spool.

        Commands of one key keep the given order. Raises a :class:`~writegate.errors.PublishError`; some commands may
        have been accepted then. Publishing the same objects again is safe.
        """
        given = list(commands)
        addressed = [_addressed(command, item_of(command)) for command in given]
        answers = [self._expect(item.id) for _, item in addressed] if receipt else None
        spooled = self._hand_in(addressed, timeout, receipt=receipt).result() if addressed else ()
        return self._many(given, [Accepted(item.id, _accepted_by(spooled, item)) for _, item in addressed], answers)

    @overload
    async def apublish_many(self, commands: Iterable[Command], *, timeout: float | None = None) -> list[Accepted]: ...
    @overload
    async def apublish_many(
        self, commands: Iterable[Command], *, receipt: Literal[True], timeout: float | None = None
    ) -> list[PendingReceipt]: ...
    async def apublish_many(
        self, commands: Iterable[Command], *, receipt: bool = False, timeout: float | None = None
    ) -> list[Accepted] | list[PendingReceipt]:
        """:meth:`publish_many` for event loops."""
        given = list(commands)
        addressed = [_addressed(command, item_of(command)) for command in given]
        answers = [self._expect(item.id) for _, item in addressed] if receipt else None
        spooled: Collection[str] = ()
        if addressed:
            handed_in = self._hand_in(addressed, timeout, receipt=receipt, may_block=False)
            spooled = await wait_for(handed_in)
        return self._many(given, [Accepted(item.id, _accepted_by(spooled, item)) for _, item in addressed], answers)

    def lookup(self, service: str, command_id: str, timeout: float = 5.0) -> Receipt | None:
        """Ask the writer what became of a command; None when it has not been decided.

        The question is a message in the service's lane 0 and is answered after the messages before it. Raises
        :class:`~writegate.errors.ReceiptTimeout` after ``timeout`` seconds.
        """
        answers = self._ask(service, command_id, timeout)
        try:
            return answers.first.result(timeout)
        except FutureTimeout:
            raise _no_answer(command_id, timeout) from None

    async def alookup(self, service: str, command_id: str, timeout: float = 5.0) -> Receipt | None:
        """:meth:`lookup` for event loops."""
        answers = self._ask(service, command_id, timeout)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(answers.first), timeout)
        except TimeoutError:
            raise _no_answer(command_id, timeout) from None

    def forward(
        self, addressed: Sequence[tuple[Route, Item]], headers: Mapping[str, Any], reply_to: str | None = None
    ) -> Future[None]:
        """Send items unchanged and without a time limit. For writers, which forward what others published.

        Items of one key keep their order among all others of that key. ``headers`` are added to each message. The
        future ends when the broker has confirmed all of them, or with the first error.
        """
        future: Future[None] = _future()
        call = Call(partial(_finish, future, None), None, addressed[0][1].id)
        self._engine.submit(call, parcels_of(addressed, call, headers, reply_to))
        return future

    def reply(self, reply_to: str, correlation_id: str, body: bytes) -> None:
        """Send a Celery result message and do not wait: the process that asked may have ended."""
        self._engine.reply(reply_to, correlation_id, body)

    def wait_confirmed(self, timeout: float | None = None) -> bool:
        """Wait until the broker has confirmed all that was accepted, also from the spool; False after ``timeout``.

        ``timeout`` in seconds (default: none). For programs that end and have no successor on this machine: what they
        leave in the spool would wait for the next publisher here.
        """
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        while not (self._capacity.wait_empty(0) and self._engine.spool_empty):
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL_SECONDS)
        return True

    def close(self, timeout: float | None = None) -> None:
        """Refuse new commands, wait for the confirms of those already sent, and disconnect. Safe to repeat.

        ``timeout`` in seconds (default: the setting). While the broker takes commands, those in the spool are sent too;
        the rest stays on disk for the next process.
        """
        if self._closed or os.getpid() != self._pid:
            return
        self._closed = True
        _open.discard(self)
        deadline = time.monotonic() + (self._timeout_seconds if timeout is None else timeout)
        self._capacity.wait_empty(deadline - time.monotonic())
        while self.connected and not self._engine.spool_empty and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
        self._engine.end(timeout=2.0)
        self._engine.wire.stop(timeout=2.0)

    def _hand_in(
        self,
        addressed: Sequence[tuple[Route, Item]],
        timeout: float | None,
        *,
        receipt: bool = False,
        may_block: bool = True,
    ) -> Future[Collection[str]]:
        """Return a future of the ids that went to the spool; it ends when every command is accepted."""
        submit = partial(self._submit, timeout=timeout, receipt=receipt, may_block=may_block)
        return observed(self._observers, addressed, submit) if self._observers else submit(addressed)

    def _submit(
        self,
        addressed: Sequence[tuple[Route, Item]],
        timeout: float | None,
        *,
        receipt: bool,
        may_block: bool,
        spool: bool = True,
    ) -> Future[Collection[str]]:
        first = addressed[0][1].id
        seconds = self._timeout_seconds if timeout is None else timeout
        deadline = time.monotonic() + seconds
        self._check(addressed)
        count = len(addressed)
        if not self._capacity.take(count, seconds if may_block else 0):
            raise PublisherBusy(
                first, "as many commands as this process may keep are waiting for the broker; try again later"
            )
        future: Future[Collection[str]] = _future()
        future.add_done_callback(lambda _: self._capacity.give_back(count))
        # Early enough to write the command to the disk within the time limit.
        spool_at = deadline - min(1.0, seconds / 2) if spool and self._spool is not None else None
        call: Call = Call(
            lambda error: _finish(future, call.spooled, error), deadline, first, spool_at=spool_at, receipt=receipt
        )
        self._engine.submit(call, parcels_of(addressed, call))
        return future

    def _check(self, addressed: Sequence[tuple[Route, Item]]) -> None:
        first = addressed[0][1].id
        if os.getpid() != self._pid:
            raise UsedAfterFork(first, "this publisher belongs to the parent process: make one after the fork")
        if self._closed:
            raise PublisherClosed(first, "this publisher is closed")
        for _, item in addressed:
            if row_bytes(item) > PACK_BYTES:
                raise TooLarge(
                    item.id, f"{item.task} is {len(item.fields)} bytes of JSON, at most {PACK_BYTES - 512} can be sent"
                )

    def _expect(self, correlation_id: str) -> Answers:
        # A second publish of the same command waits for the same answer.
        return self._receipts.setdefault(correlation_id, Answers())

    def _pending(self, command: Command, accepted: Accepted, answers: Answers) -> PendingReceipt:
        return PendingReceipt(accepted, contract_of(command).service, answers, self, self._timeout_seconds)

    def _many(
        self, commands: Sequence[Command], accepted: list[Accepted], answers: Sequence[Answers] | None
    ) -> list[Accepted] | list[PendingReceipt]:
        if answers is None:
            return accepted
        return [self._pending(*parts) for parts in zip(commands, accepted, answers, strict=True)]

    def _ask(self, service: str, command_id: str, timeout: float) -> Answers:
        question = Item(new_id(), LOOKUP_TASK, 1, None, to_json({"id": command_id}))
        answers = self._expect(question.id)
        route = Route(exchange_name(service), ANY)
        self._submit([(route, question)], timeout, receipt=True, may_block=False, spool=False)
        return answers

    def _note_login(self, refused: bool) -> None:
        for observer in self._observers:
            observer.login(self.user, refused=refused)

    def _replied(self, correlation_id: str, body: bytes) -> None:
        answers = self._receipts.get(correlation_id)
        if answers is None:
            return
        try:
            receipt = from_result_message(body)
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            # A later version may have sent it. An error must not escape: this is the I/O thread, which serves all.
            answers.fail(ReceiptTimeout(f"the receipt of {correlation_id} cannot be read: {error!r}"))
            self._receipts.pop(correlation_id, None)
        else:
            # To a question there is one answer; to a command that is deferred there comes another.
            if answers.answer(receipt):
                self._receipts.pop(correlation_id, None)


def _close_all() -> None:
    for publisher in list(_open):
        publisher.close()


# With the import, so that it comes after the handlers that an application registers: some of them publish.
atexit.register(_close_all)


def _addressed(command: Command, item: Item) -> tuple[Route, Item]:
    contract = contract_of(command)
    return route_of(contract.service, item.key, contract.lanes), item


def _future() -> Future[Any]:
    """Return a future that cannot be cancelled: a cancelled task stops waiting, but its message is sent already."""
    future: Future[Any] = Future()
    future.set_running_or_notify_cancel()
    return future


def _finish(future: Future[Any], result: object, error: Exception | None) -> None:
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)


def _accepted_by(spooled: Collection[str], item: Item) -> AcceptedBy:
    return "spooled" if item.id in spooled else "confirmed"


def _no_answer(command_id: str, timeout: float) -> ReceiptTimeout:
    return ReceiptTimeout(f"no answer about {command_id} within {timeout} s; ask again")
