"""Results for event loops: many that come together wake a loop once."""

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
    """Return a future's result once another thread has set it. A task that is cancelled stops waiting, no more."""
    loop = asyncio.get_running_loop()
    with _lock:
        mailbox = _mailboxes.setdefault(loop, _Mailbox())
    waiter: asyncio.Future[_T] = loop.create_future()
    # Not asyncio.wrap_future: it wakes the loop for each, and leaves the two futures referring to each other.
    future.add_done_callback(partial(mailbox.put, loop, waiter))
    return await waiter


class _Mailbox:
    """What has come for a loop and was not looked at yet."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._letters: deque[tuple[asyncio.Future[Any], Future[Any]]] = deque()

    def put(self, loop: asyncio.AbstractEventLoop, waiter: asyncio.Future[Any], future: Future[Any]) -> None:
        """Leave a result. From any thread."""
        with self._lock:
            self._letters.append((waiter, future))
            if len(self._letters) > 1:
                return
        try:
            loop.call_soon_threadsafe(self._open)
        except RuntimeError:
            with self._lock:
                self._letters.clear()  # the loop is closed: nobody waits any more, and letters would keep it

    def _open(self) -> None:
        with self._lock:
            letters, self._letters = self._letters, deque()
        for waiter, future in letters:
            if waiter.cancelled():
                continue
            error = future.exception()
            if error is None:
                waiter.set_result(future.result())
            else:
                waiter.set_exception(error)


def _start_anew() -> None:
    """Another thread of the parent may have held the lock."""
    global _lock  # noqa: PLW0603  one a process
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_start_anew)
