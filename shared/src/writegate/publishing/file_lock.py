"""A lock on a file, held by one process until it ends, however it ends."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Self

# POSIX locks are the process's own: a forked child does not inherit them. They do not exclude within a process either,
# and closing any descriptor of the file gives them up: so this process never opens a file that it has locked.
_held: set[str] = set()
os.register_at_fork(after_in_child=_held.clear)


class FileLock:
    """Made by :meth:`take`."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor

    @classmethod
    def take(cls, path: Path) -> Self | None:
        """Lock a file, which is made when it is missing; None when somebody holds it. Raises :class:`OSError`."""
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
        """Give it up; ``delete`` the file when nobody needs it any more."""
        if delete:
            self._path.unlink(missing_ok=True)
        os.close(self._descriptor)
        _held.discard(os.path.realpath(self._path))
