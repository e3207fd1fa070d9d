"""Celery's remote control, such that no message to it ends a writer or makes it write where it should not. On the hub.

Celery's own class sets its channel up again after any error. That reads on until the broker has answered, and so
handles the next message inside the handling of this one: a few hundred malformed messages in a row end the process.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import structlog
from celery.worker.pidbox import Pidbox

log = structlog.get_logger(__name__)

_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# A pattern of the other kind, a regular expression, may take for ever; while it is matched nothing else runs.
_MATCHERS: Final = frozenset((None, "glob"))


class Mailbox(Pidbox):
    """The mailbox of a writer. What cannot be understood is logged, and nothing else comes of it."""

    def __init__(self, c: Any) -> None:
        super().__init__(c)
        self._clock = c.app.clock

    def on_message(self, body: Any, message: Any) -> None:
        """Carry out one remote command."""
        try:
            if (wrong := what_is_wrong(body, self.node.mailbox.reply_exchange.name)) is not None:
                log.warning("control.malformed", error=wrong)
                return
            self._clock.forward()  # as Celery's own does, whose clients keep no clock
            self.node.handle_message(body, message)
        except Exception as error:  # noqa: BLE001  whatever was sent: the hub thread goes on
            log.warning("control.failed_command", error=repr(error)[:200])


def what_is_wrong(body: Any, reply_exchange: str) -> str | None:
    """Return why a message to the mailbox is not handled; None when it may be.

    ``reply_exchange``: that of Celery's remote control, to which alone replies are sent, to whom waits for them.
    """
    if not isinstance(body, Mapping) or not isinstance(body.get("method"), str):
        return "expected an object with the name of a method"
    if body.get("matcher") not in _MATCHERS:
        return "expected no matcher, or glob"
    reply_to = body.get("reply_to")
    if reply_to is None:
        return None
    if not isinstance(reply_to, Mapping) or reply_to.get("exchange") != reply_exchange:
        return f"expected replies to go to {reply_exchange}"
    routing_key = reply_to.get("routing_key")
    if not isinstance(routing_key, str) or _UUID.fullmatch(routing_key) is None:
        return "expected replies to go to a routing key shaped like a UUID"
    return None
