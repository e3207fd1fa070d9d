"""Checking passwords on a thread of its own, behind a short queue: however many log in at once, nobody else waits."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from writegate.errors import WritegateError
from writegate_console.users import User

MOST_WAITING = 20  # two seconds' work
MOST_WAITING_OF_NETWORK = 4  # so that who sends many leaves places for others
RETRY_AFTER_SECONDS = 2

Check = Callable[[str, str], Coroutine[Any, Any, User | None]]


class TooManyLogins(WritegateError):
    """As many log-ins as may wait do so."""

    retryable = True


class PasswordChecks:
    """Checks passwords one after the other: each takes 64 MiB and 0.1 s of a processor.

    The event loop's thread counts who waits; the pool's only thread calls ``check``.
    """

    def __init__(self, check: Callable[[str, str], User | None], most_waiting: int = MOST_WAITING) -> None:
        self._check = check
        self._most_waiting = most_waiting
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="password")
        self._waiting: Counter[str] = Counter()

    def refuse_when_full(self, network: str) -> None:
        """Raise :class:`TooManyLogins` when no place is free for a visitor from there."""
        if self._waiting.total() >= self._most_waiting or self._waiting[network] >= MOST_WAITING_OF_NETWORK:
            raise TooManyLogins(f"too many log-ins at once: try again in {RETRY_AFTER_SECONDS} s")

    @contextmanager
    def place_of(self, network: str) -> Iterator[Check]:
        """Yield what checks a password of a visitor from ``network``. Raises :class:`TooManyLogins`."""
        self.refuse_when_full(network)
        self._waiting[network] += 1
        try:
            yield self._check_apart
        finally:
            self._waiting[network] -= 1
            self._waiting += Counter()  # keeps those above zero only

    async def _check_apart(self, name: str, password: str) -> User | None:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._check, name, password)

    def close(self) -> None:
        """End the thread, and what waits for it."""
        self._thread.shutdown(wait=False, cancel_futures=True)
