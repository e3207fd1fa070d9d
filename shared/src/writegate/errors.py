"""Every error the library raises, in one tree.

::

    WritegateError
    ├── SettingsError            an environment variable is missing or wrong
    ├── DeclarationError         a service or command is declared wrongly
    ├── MalformedMessage         a message is not a command (the writer parks it)
    ├── ReceiptTimeout           no receipt yet: the write may still happen
    └── PublishError             this command was not accepted
        ├── InvalidCommand       the writer would park it because of a field, the id or the key (a ValueError too)
        ├── TooLarge             over the size cap
        ├── Unroutable           no such service or lane at the broker
        ├── AccessDenied         this user may not publish there
        ├── LoginRefused         the broker never let this process in: wrong user, password, vhost or certificate
        ├── PublisherClosed      publish after close
        ├── UsedAfterFork        the publisher belongs to the parent process
        └── RetryablePublishError    the same call, with the same id, may succeed later
            ├── QueueFull            the broker refused: the lane is full
            ├── PublisherBusy        too much is waiting in this process already
            ├── SpoolFull            the broker does not take it, and the local spool is full
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
    """A setting is missing or wrong. The text is one line: which setting, what was expected, what was found."""


class DeclarationError(WritegateError):
    """A service or a command is declared in a way that cannot work."""


class MalformedMessage(WritegateError):
    """A message that is not an acceptable command.

    ``cause`` is a short stable word for grouping (``"invalid-json"``); the text says what was expected and found.
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
        """Return a new error of the same kind for another command that travelled in the same message."""
        return type(self)(command_id, self._text)


class InvalidCommand(PublishError, ValueError):
    """A value that no type forbids and no writer accepts, such as a text with a NUL. A retry cannot help.

    ``path`` is the dotted path of the wrong value, such as ``passengers.3.name``, or ``id`` or ``key``.
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
    """The broker user has no permission for this exchange: a service publishes to its own exchange only."""


class LoginRefused(PublishError):
    """The broker has never let this process in, and says that it will not: ``WRITEGATE_BROKER_URL`` is wrong.

    Once it has let it in, commands go to the spool instead, and the refusal is logged and measured: somebody has
    changed the password under a running process, and nothing is to be lost meanwhile.
    """


class PublisherClosed(PublishError):
    """The publisher was closed before this call."""


class UsedAfterFork(PublishError):
    """The publisher was made before a fork: make one in each process."""


class RetryablePublishError(PublishError):
    """Not accepted now. Publishing the same object again is safe: it keeps its id."""

    retryable = True


class QueueFull(RetryablePublishError):
    """The broker refused it because the lane is at its length limit."""


class PublisherBusy(RetryablePublishError):
    """As many commands as this process may keep in memory are waiting for the broker already."""


class SpoolFull(RetryablePublishError):
    """The broker does not take it, and the spool is at its limit of bytes or age, or the disk is full."""


class SpoolBroken(RetryablePublishError):
    """The spool's directory or file cannot be used: repair the disk or its permissions, or switch the spool off."""


class PublishTimeout(RetryablePublishError):
    """No confirm within the time limit: the command may have arrived. A retry with the same id is safe."""


def wrong_fields(error: ValidationError) -> list[dict[str, str]]:
    """Return ``{"path", "message"}`` for each field that pydantic refused.

    The path is dotted; it is empty when the error concerns the value as a whole.
    """
    return [
        {"path": ".".join(str(step) for step in detail["loc"]), "message": detail["msg"]}
        for detail in error.errors(include_url=False, include_input=False)
    ]


def first_wrong_field(error: ValidationError) -> str:
    """Return one line: the first field that pydantic refused, why, and how many more there are."""
    first, *others = wrong_fields(error)
    more = f" (and {len(others)} more)" if others else ""
    return f"{first['path'] or 'fields'}: {first['message']}{more}"


def one_line(error: BaseException) -> str:
    """Return the text of an error as one line: those of drivers have several."""
    return " ".join(str(error).split()) or type(error).__name__
