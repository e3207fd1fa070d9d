"""Results of the I/O thread for asyncio tasks: results that arrive together wake an event loop only once."""

from __future__ import annotations

import asyncio
import os
import threading
from collections import deque
from concurrent.futures import Future
from functools import partial
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

_T = TypeVar("_T")

_lock = threading.Lock()
_mailboxes: WeakKeyDictionary[asyncio.AbstractEventLoop, _Mailbox] = WeakKeyDictionary()


async def wait_for(future: Future[_T]) -> _T:
    """Return a future's result once another thread has set it. Cancelling the task ends the waiting, not the work."""
    loop = asyncio.get_running_loop()
    with _lock:
        mailbox = _mailboxes.setdefault(loop, _Mailbox())
    waiter: asyncio.Future[_T] = loop.create_future()
    # asyncio.wrap_future would wake the loop for each result, and leave a reference cycle between the two futures.
    future.add_done_callback(partial(mailbox.put, loop, waiter))
    return await waiter


class _Mailbox:
    """Results for one event loop that it has not taken yet. Other threads put, the loop's own thread takes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._results: deque[tuple[asyncio.Future[Any], Future[Any]]] = deque()

    def put(self, loop: asyncio.AbstractEventLoop, waiter: asyncio.Future[Any], future: Future[Any]) -> None:
        """Add a result, and wake the loop if it is the first one. From any thread."""
        with self._lock:
            self._results.append((waiter, future))
            if len(self._results) > 1:
                return
        try:
            loop.call_soon_threadsafe(self._take)
        except RuntimeError:
            with self._lock:
                self._results.clear()  # the loop is closed: nobody waits, and the results would keep it in memory

    def _take(self) -> None:
        with self._lock:
            results, self._results = self._results, deque()
        for waiter, future in results:
            if waiter.cancelled():
                continue
            error = future.exception()
            if error is None:
                waiter.set_result(future.result())
            else:
                waiter.set_exception(error)


def _start_anew() -> None:
    """Replace the lock in a forked child: another thread of the parent may have held it."""
    global _lock  # noqa: PLW0603  one for the process
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_start_anew)
