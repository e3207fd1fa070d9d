"""Whether the broker lets this process in, and what that means for who publishes."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Any

from pika.exceptions import ProbableAccessDeniedError, ProbableAuthenticationError

from writegate.errors import LoginRefused

# What RabbitMQ says of a vhost that is not there, or not for this user. With the same code it refuses a user who may
# have no further connection, as `apply --switch` wants it for a while.
_VHOST_REFUSALS = (" not found", "access to vhost")


class Login:
    """Set on the I/O thread; any thread may read :attr:`refused`. ``on_change`` is called with whether it is refused.

    A process that the broker has never let in has a wrong setting, which no spool can make right: its calls fail. Of a
    process that was let in before, somebody has changed the password: the spool keeps what it publishes meanwhile.
    """

    def __init__(self, user: str, on_change: Callable[[bool], None]) -> None:
        self._user = user
        self._on_change = on_change
        self._was_let_in = False
        self.refused: str | None = None  # in the broker's words, until it lets us in

    def let_in(self) -> None:
        """The broker has let us in."""
        self._was_let_in, self.refused = True, None
        self._on_change(False)

    def refuse(self, text: str) -> None:
        """The broker has refused to."""
        self.refused = text
        self._on_change(True)

    @property
    def hopeless(self) -> bool:
        """Whether calls fail at once."""
        return self.refused is not None and not self._was_let_in

    def error(self, command_id: str) -> LoginRefused:
        """Return the error of a command."""
        return LoginRefused(
            command_id, f"the broker does not let {self._user} in: {self.refused}: check WRITEGATE_BROKER_URL"
        )


def is_refusal(error: Any) -> bool:
    """Whether a failed attempt to connect says that no later one can do better, unless a person changes something.

    A user, password or vhost that the broker refuses, or a certificate that we do. Anything else may pass: also a
    proxy in front of brokers that are down accepts a connection and closes it.
    """
    if isinstance(error, ProbableAuthenticationError):
        return "ACCESS_REFUSED" in str(error)
    if isinstance(error, ProbableAccessDeniedError):
        return any(text in str(error) for text in _VHOST_REFUSALS)
    return any(isinstance(cause, ssl.SSLCertVerificationError) for cause in _causes(error))


def _causes(error: Any) -> list[Any]:
    """Return an error and those it wraps: pika wraps what happened, by phases of connecting."""
    inner = (*getattr(error, "exceptions", ()), getattr(error, "exception", None), *getattr(error, "args", ()))
    wrapped = [cause for one in inner if isinstance(one, BaseException) for cause in _causes(one)]
    return [error, *wrapped]
