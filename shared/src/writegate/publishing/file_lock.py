"""A lock on a file that one process holds; the operating system releases it when the process ends in any way."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Self

# POSIX locks belong to the process: a forked child does not inherit them. Within one process they do not exclude, and
# closing any descriptor of the file releases them. So this process never opens a file that it has locked.
_held: set[str] = set()
os.register_at_fork(after_in_child=_held.clear)


class FileLock:
    """A lock that this process holds. Made by :meth:`take`. Used by one thread at a time."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor

    @classmethod
    def take(cls, path: Path) -> Self | None:
        """Lock a file and create it when it is missing; None when another holder has it. Raises :class:`OSError`."""
        name = os.path.realpath(path)
        if name in _held:
            return None
        _held.add(name)
        descriptor = -1
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            _held.discard(name)
            if descriptor >= 0:
                os.close(descriptor)
            if isinstance(error, BlockingIOError):
                return None
            raise
        return cls(path, descriptor)

    def release(self, *, delete: bool = False) -> None:
        """Release the lock; ``delete`` also removes the file."""
        if delete:
            self._path.unlink(missing_ok=True)
        os.close(self._descriptor)
        _held.discard(os.path.realpath(self._path))
