"""Emitting commands to other services from inside a handler, in the same transaction. On slot threads."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass

from writegate import Command, contract_of
from writegate.errors import WritegateError


@dataclass(frozen=True, slots=True)
class Emitted:
    """A command that a handler emitted; ``parent_id``: of the command that caused it, if the handler named it."""

    command: Command
    parent_id: str | None


_emitted: ContextVar[list[Emitted] | None] = ContextVar("emitted", default=None)


def emit(command: Command, *, parent: Command | None = None) -> None:
    """Send a command to another service from inside a handler, in the same transaction.

    It is stored with the handler's writes and published after the commit: exactly when those writes take effect.
    ``parent`` is the command being handled that causes this one, for tracing.
    """
    emitted = _emitted.get()
    if emitted is None:
        raise WritegateError("emit() was called outside a handler; to publish from a service use a Publisher")
    contract_of(command)
    emitted.append(Emitted(command, parent.command_id if parent is not None else None))


def emitted_so_far() -> int:
    """Return how many commands the present handler call has emitted."""
    return len(_emitted.get() or ())


def forget_emitted(since: int) -> None:
    """Forget what was emitted after the first ``since``: the statements that came with it are undone."""
    emitted = _emitted.get()
    if emitted is not None:
        del emitted[since:]


class collecting:  # noqa: N801  used as `with collecting() as emitted:`
    """Collect what handlers emit on this thread (more exactly, in this :mod:`contextvars` context)."""

    def __enter__(self) -> list[Emitted]:
        emitted: list[Emitted] = []
        _emitted.set(emitted)
        return emitted

    def __exit__(self, *_: object) -> None:
        _emitted.set(None)
