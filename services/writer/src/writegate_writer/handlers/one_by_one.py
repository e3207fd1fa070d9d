"""Calling a handler of one command at a time for many, some of which it may decline. On slot threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection

from writegate import Command
from writegate_writer.errors import Decline
from writegate_writer.handlers.declining import Untouched, savepoints
from writegate_writer.handlers.emit import emitted_so_far, forget_emitted

C = TypeVar("C", bound=Command)


class OneByOne(Generic[C]):
    """Calls a handler for each command. What it returns, unless None, is the command's result.

    At first there are no savepoints: the first command that is declined rolls the batch back. From then on commands are
    applied in groups under savepoints, until a call in which none is declined. Several slots may call at once: what
    they share is only which of the two ways they begin with.
    """

    def __init__(self, function: Callable[[Connection, C], Any]) -> None:
        self._function = function
        self._declined_lately = False

    def __call__(self, connection: Connection, commands: Sequence[C]) -> dict[str, Any]:
        """Raises :class:`Decline` when a command is declined of which the statements cannot be undone alone."""
        groups = savepoints() if self._declined_lately else 0
        if not groups:
            return self._at_once(connection, commands)
        size = max(1, -(-len(commands) // groups))
        answers: dict[str, Any] = {}
        for start in range(0, len(commands), size):
            answers |= self._group(connection, commands[start : start + size])
        self._declined_lately = any(isinstance(answer, Untouched) for answer in answers.values())
        return answers

    def _at_once(self, connection: Connection, commands: Sequence[C]) -> dict[str, Any]:
        answers, declined = self._until_declined(connection, commands)
        if declined is not None:
            self._declined_lately = True
            raise declined
        return answers

    def _until_declined(self, connection: Connection, commands: Sequence[C]) -> tuple[dict[str, Any], Decline | None]:
        answers: dict[str, Any] = {}
        for command in commands:
            try:
                answer = self._function(connection, command)
            except Decline as no:
                answer = no
            if isinstance(answer, Decline):  # an answer that is returned may come after statements as well
                return answers, Decline(answer.of([command.command_id]))
            if answer is not None:
                answers[command.command_id] = answer
        return answers, None

    def _group(self, connection: Connection, commands: Sequence[C]) -> dict[str, Any]:
        """Apply commands under one savepoint; after each that is declined, the others again."""
        declined: dict[str, Any] = {}
        before = emitted_so_far()
        connection.exec_driver_sql("SAVEPOINT writegate_group")
        while True:
            left = [command for command in commands if command.command_id not in declined]
            answers, no = self._until_declined(connection, left)
            if no is None:
                break
            connection.exec_driver_sql("ROLLBACK TO SAVEPOINT writegate_group")
            forget_emitted(before)
            reasons = no.of([])
            if not declined.keys().isdisjoint(reasons) or not reasons.keys() <= {c.command_id for c in left}:
                raise no  # it names others than its own command: the writer reports that
            declined |= {command_id: Untouched(reason) for command_id, reason in reasons.items()}
        connection.exec_driver_sql("RELEASE SAVEPOINT writegate_group")
        return answers | declined
