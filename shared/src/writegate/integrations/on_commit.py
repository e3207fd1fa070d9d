"""Publishing after a local transaction has committed, for services that still have a database of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from writegate.contract.command import Command
from writegate.errors import DeclarationError
from writegate.message.envelope import item_of
from writegate.publishing.process import publisher

if TYPE_CHECKING:
    from writegate.integrations.sqlalchemy import AnySession


def publish_on_commit(command: Command, *, using: str | None = None, session: AnySession | None = None) -> None:
    """Publish a command once the local transaction has committed; never if it rolls back.

    ``session``: a SQLAlchemy session, plain or asyncio. Without one: Django's ``transaction.on_commit`` on the database
    ``using`` (default: Django's default). What is undone with a savepoint is not published. A wrong command or setting
    is an error here. A :class:`~writegate.errors.PublishError` after the commit is logged with the id and raised to
    whoever committed: what was committed stays.

    This is no outbox: a process that dies between the commit and the broker's confirm loses the command. Where both
    must happen, let the gate do both: publish one command, and let its handler emit the other.
    """
    item_of(command)
    publisher()
    if session is not None:
        from writegate.integrations import sqlalchemy  # noqa: PLC0415  for those who have it

        sqlalchemy.publish_on_commit(command, session)
        return
    try:
        from writegate.integrations.django import publish_on_commit as django_publish_on_commit  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise DeclarationError(
            "publish_on_commit waits for Django's transaction: install Django, or give session="
        ) from error
    django_publish_on_commit(command, using)
