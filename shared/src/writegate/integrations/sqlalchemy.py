"""Publishing after the commit of a SQLAlchemy session. On the session's thread, or in its event loop."""

from __future__ import annotations

import sys
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession, async_scoped_session
from sqlalchemy.orm import Session, SessionTransaction, scoped_session
from sqlalchemy.util import await_only
from sqlalchemy.util.concurrency import in_greenlet

from writegate.contract.command import Command
from writegate.integrations.after_commit import report_unpublished
from writegate.publishing import process

AnySession = Session | scoped_session[Any] | AsyncSession | async_scoped_session[Any]

_INFO = "writegate"  # the key in a session's `info`, which is freed with the session


def publish_after_session(command: Command, session: AnySession) -> None:
    """Publish ``command`` when the session's transaction commits; see :func:`writegate.publish_on_commit`."""
    current = session() if isinstance(session, scoped_session | async_scoped_session) else session
    plain: Session = current.sync_session if isinstance(current, AsyncSession) else current
    if _INFO not in plain.info:
        plain.info[_INFO] = _Pending(plain)
    plain.info[_INFO].add(plain, command)


class _Pending:
    """The commands of one session, by the transaction or savepoint whose end decides whether they are published."""

    def __init__(self, session: Session) -> None:
        self._commands: dict[SessionTransaction, list[Command]] = {}
        self._committed: set[SessionTransaction] = set()
        event.listen(session, "after_commit", self._note)
        event.listen(session, "after_transaction_end", self._end)

    def add(self, session: Session, command: Command) -> None:
        if not session.in_transaction():
            session.begin()  # as any use of a session does
        self._commands.setdefault(_innermost(session), []).append(command)

    def _note(self, session: Session) -> None:
        self._committed.add(_innermost(session))

    def _end(self, _: Session, transaction: SessionTransaction) -> None:
        # Not in after_commit: only here is the connection back in its pool, and the session usable after an error.
        committed = transaction in self._committed
        self._committed.discard(transaction)
        commands = self._commands.pop(transaction, [])
        if not committed or not commands:
            return
        if transaction.parent is not None:
            self._commands.setdefault(transaction.parent, []).extend(commands)
            return
        with report_unpublished(commands):
            # An asyncio session calls this in a greenlet on its event loop, which must not be blocked.
            if "greenlet" in sys.modules and in_greenlet():
                await_only(process.apublish_many(commands))
            else:
                process.publish_many(commands)


def _innermost(session: Session) -> SessionTransaction:
    transaction = session.get_nested_transaction() or session.get_transaction()
    assert transaction is not None  # noqa: S101  called inside a transaction only
    return transaction
