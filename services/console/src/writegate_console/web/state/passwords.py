"""Checking passwords on a thread of its own, behind a short queue: however many log in at once, nobody else waits."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

from writegate.errors import WritegateError
from writegate_console.users import User

MOST_WAITING = 20  # two seconds' work
MOST_WAITING_OF_NETWORK = 4  # so that who sends many leaves places for others
RETRY_AFTER_SECONDS = 2
NICENESS = 10  # a tenth of what the event loop gets while both want a processor, and all of it otherwise


class TooManyLogins(WritegateError):
    """As many log-ins as may wait do so."""

    retryable = True


class PasswordChecks:
    """Checks passwords one after the other: each takes 64 MiB and 0.1 s of a processor.

    The event loop's thread counts who waits; the pool's only thread calls ``check``, with a low priority: argon2 starts
    four threads of its own, which inherit it, and would take all processors from requests, writers and database.
    """

    def __init__(self, check: Callable[[str, str], User | None], most_waiting: int = MOST_WAITING) -> None:
        self._check = check
        self._most_waiting = most_waiting
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="password", initializer=_lower_priority)
        self._waiting: Counter[str] = Counter()
        self._under_way: dict[tuple[str, str], asyncio.Future[User | None]] = {}

    def refuse_when_full(self, network: str) -> None:
        """Raise :class:`TooManyLogins` when no place is free for a visitor from there."""
        if self._waiting.total() >= self._most_waiting or self._waiting[network] >= MOST_WAITING_OF_NETWORK:
            raise TooManyLogins(f"too many log-ins at once: try again in {RETRY_AFTER_SECONDS} s")

    def check(self, network: str, name: str, password: str) -> Awaitable[User | None]:
        """Begin to check a password of a visitor from ``network``; return its result. Raises :class:`TooManyLogins`."""
        self.refuse_when_full(network)
        begun = asyncio.get_running_loop().run_in_executor(self._thread, self._check, name, password)
        self._waiting[network] += 1
        self._under_way[name, password] = begun

        def done(_: object) -> None:
            del self._under_way[name, password]
            self._waiting[network] -= 1
            self._waiting += Counter()  # keeps those above zero only

        begun.add_done_callback(done)
        return asyncio.shield(begun)  # who hangs up ends it for nobody else

    def under_way(self, name: str, password: str) -> Awaitable[User | None] | None:
        """Return the result of a check of the same password that is under way: to wait for it takes no place."""
        begun = self._under_way.get((name, password))
        return None if begun is None else asyncio.shield(begun)

    def close(self) -> None:
        """End the thread, and what waits for it."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def _lower_priority() -> None:
    if sys.platform == "linux":  # there, and only there, a thread has a priority of its own
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, max(NICENESS, os.getpriority(os.PRIO_PROCESS, thread)))
