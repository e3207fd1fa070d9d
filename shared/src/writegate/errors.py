"""Every error the library raises, in one tree.

::

    WritegateError
    ├── SettingsError            an environment variable is missing or wrong
    ├── DeclarationError         a service or command is declared wrongly
    ├── MalformedMessage         a message is not a command (the writer parks it)
    ├── ReceiptTimeout           no receipt yet: the write may still happen
    └── PublishError             this command was not accepted
        ├── InvalidCommand       its fields, id or key are such that the writer would park it (a ValueError too)
        ├── TooLarge             over the size cap
        ├── Unroutable           no such service or lane at the broker
        ├── AccessDenied         this user may not publish there
        ├── PublisherClosed      publish after close
        ├── UsedAfterFork        the publisher belongs to the parent process
        └── RetryablePublishError    the same call, with the same id, may succeed later
            ├── QueueFull            the broker refused: the lane is full
            ├── PublisherBusy        too much is waiting in this process already
            ├── SpoolFull            the broker does not take it, and the local spool has no room
            ├── SpoolBroken          the broker does not take it, and the local disk fails
            └── PublishTimeout       no confirm in time: it may or may not have arrived

Whether a retry makes sense is a property of the class (``retryable``), decided here and nowhere else.

Fields that fail a contract never become a command: making one raises pydantic's ``ValidationError``, which web
frameworks know how to answer. It is a ``ValueError``, as :class:`InvalidCommand` is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

if TYPE_CHECKING:
    from pydantic import ValidationError


class WritegateError(Exception):
    """Base of all errors of this library."""

    retryable: ClassVar[bool] = False


class SettingsError(WritegateError):
    """A setting is missing or not of the expected form. One line: which, what was expected, what came."""


class DeclarationError(WritegateError):
    """A service or a command is declared in a way that cannot work."""


class MalformedMessage(WritegateError):
    """A message that is not an acceptable command.

    ``cause`` is a short stable word for grouping (``"invalid-json"``); the text says what was expected and what came.
    """

    def __init__(self, cause: str, text: str) -> None:
        super().__init__(text)
        self.cause = cause


class ReceiptTimeout(WritegateError):
    """No final receipt arrived in time. The command stays accepted: ask again, or look it up by its id."""

    retryable = True


class PublishError(WritegateError):
    """The command was not accepted. ``command_id`` is the id it would have had: retry with the same command."""

    def __init__(self, command_id: str, text: str) -> None:
        super().__init__(f"{text} (command {command_id})" if command_id else text)
        self.command_id = command_id
        self._text = text

    def about(self, command_id: str) -> Self:
        """Return the same error of another command: of one that travelled in the same message."""
        return type(self)(command_id, self._text)


class InvalidCommand(PublishError, ValueError):
    """The command says what no writer takes and no type forbids, such as a text with a NUL. Another try cannot help.

    ``path`` leads to what is wrong, as ``passengers.3.name``; it is ``id`` or ``key`` when that is.
    """

    def __init__(self, command_id: str, task: str, path: str, reason: str) -> None:
        super().__init__(command_id, f"{task}, {path}: {reason}")
        self.path = path
        self.reason = reason


class TooLarge(PublishError):
    """The encoded command is over the size cap."""


class Unroutable(PublishError):
    """The broker has no exchange or queue for it: run ``writegate apply`` for that service."""


class AccessDenied(PublishError):
    """The broker user may not publish there: a service publishes to its own exchange only."""


class PublisherClosed(PublishError):
    """The publisher was closed before this call."""


class UsedAfterFork(PublishError):
    """The publisher was made before a fork: make one in each process."""


class RetryablePublishError(PublishError):
    """Not accepted now; the same command, which keeps its id, may be published again without harm."""

    retryable = True


class QueueFull(RetryablePublishError):
    """The broker refused it because the lane is at its length limit."""


class PublisherBusy(RetryablePublishError):
    """This process already has as much waiting for the broker as it may keep in memory."""


class SpoolFull(RetryablePublishError):
    """The broker does not take it, and the spool is at its limit of bytes or age, or the disk is full."""


class SpoolBroken(RetryablePublishError):
    """The spool's directory or file cannot be used: mend the disk or its rights, or switch the spool off."""


class PublishTimeout(RetryablePublishError):
    """No confirm within the time limit: it may have arrived. The ledger makes a retry with the same id harmless."""


def wrong_fields(error: ValidationError) -> list[dict[str, str]]:
    """Return ``{"path", "message"}`` of each field that pydantic refused; the path is dotted, empty for the whole."""
    return [
        {"path": ".".join(str(step) for step in one["loc"]), "message": one["msg"]}
        for one in error.errors(include_url=False, include_input=False)
    ]


def first_wrong_field(error: ValidationError) -> str:
    """Return the first field that pydantic refused and why, in one line, with how many more there are."""
    first, *others = wrong_fields(error)
    more = f" (and {len(others)} more)" if others else ""
    return f"{first['path'] or 'fields'}: {first['message']}{more}"
