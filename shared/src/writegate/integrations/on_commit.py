"""Publishing after a local transaction, for services that have a database of their own: SQLAlchemy's or Django's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from writegate.contract.command import Command
from writegate.errors import DeclarationError
from writegate.message.envelope import item_of
from writegate.publishing.process import publisher

if TYPE_CHECKING:
    from writegate.integrations.sqlalchemy import AnySession


def publish_on_commit(command: Command, *, using: str | None = None, session: AnySession | None = None) -> None:
    """Publish a command once the local transaction has committed; do not publish it if that rolls back.

    ``session``: a SQLAlchemy session, plain or asyncio. Without one, Django's ``transaction.on_commit`` is used for the
    database ``using`` (default: Django's default). A command inside a savepoint that is rolled back is not published.
    A wrong command or setting raises here. A :class:`~writegate.errors.PublishError` after the commit is logged with
    the id and raised to the code that committed; the local commit stays.

    This is no outbox: a process that dies between the commit and the broker's confirm loses the command. Where both
    writes must happen, publish one command, and let its handler emit the other.
    """
    item_of(command)
    publisher()
    if session is not None:
        from writegate.integrations.sqlalchemy import publish_after_session  # noqa: PLC0415  SQLAlchemy is optional

        publish_after_session(command, session)
        return
    try:
        from writegate.integrations.django import publish_after_transaction  # noqa: PLC0415  Django is optional
    except ModuleNotFoundError as error:
        raise DeclarationError(
            "publish_on_commit waits for Django's transaction: install Django, or give session="
        ) from error
    publish_after_transaction(command, using)
