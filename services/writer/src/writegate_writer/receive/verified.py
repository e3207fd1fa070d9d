"""What may be believed of a message. Pure; on the hub thread.

Anything in headers and properties is what a publisher says of itself, but for what the broker has verified: it closes
the channel of whoever sends another ``user_id`` than their own, it says what it delivers again, and it then counts the
deliveries in ``x-delivery-count``. On a first delivery that header is the publisher's, and may be anything (RabbitMQ,
quorum queues).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from writegate.contract.users import OPERATOR, WRITER
from writegate.message.envelope import HOPS_HEADER, USER_HEADER
from writegate.message.validation import is_id, is_text

UNVERIFIED: Final = "unverified"
"""The origin of a message whose publisher sent no ``user_id``."""

# These say on whose behalf they publish: a writer forwards and emits for others.
_OWN_USERS: Final = frozenset((WRITER, OPERATOR))

# A name under which a reply is sent reaches any queue. So only what cannot be anybody's but the asker's: the pseudo
# queue of direct reply-to, as the broker names it, and what is shaped like a UUID, as Celery's `rpc://` names its own.
_REPLY_ADDRESS: Final = re.compile(
    r"amq\.rabbitmq\.reply-to\.[!-~]{1,233}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Verified:
    """What is believed of a message.

    ``origin``: the broker's user who published it, or on whose behalf a user of ours did. ``reply_to``: where a reply
    may go; ``reply_refused``: one was asked for to an address to which none is sent. ``deliveries``: how often the
    broker delivered it before. ``forwarded``: a writer has forwarded it to this lane.
    """

    origin: str = UNVERIFIED
    reply_to: str | None = None
    reply_refused: bool = False
    deliveries: int = 0
    forwarded: bool = False


def verify(headers: Mapping[str, Any], properties: Mapping[str, Any], *, redelivered: bool) -> Verified:
    """Return what may be believed of a message. ``redelivered``: as the broker says with the delivery."""
    user = properties.get("user_id")
    origin = user if is_text(user) and user else UNVERIFIED
    ours = origin in _OWN_USERS
    if ours and is_text(claimed := headers.get(USER_HEADER)) and claimed:
        origin = claimed
    asked = properties.get("reply_to")
    # Without an id that it knows the asker could not tell which message the reply is about.
    reply_to = reply_address(asked) if is_id(headers.get("id")) else None
    return Verified(
        origin,
        reply_to,
        bool(asked) and reply_address(asked) is None,
        _deliveries(headers) if redelivered else 0,
        ours and isinstance(headers.get(HOPS_HEADER), int) and headers[HOPS_HEADER] > 0,
    )


def reply_address(given: Any) -> str | None:
    """Return an address for replies when one may be sent there, else None."""
    return given if isinstance(given, str) and _REPLY_ADDRESS.fullmatch(given) else None


def _deliveries(headers: Mapping[str, Any]) -> int:
    count = headers.get("x-delivery-count")
    return max(count, 0) if isinstance(count, int) else 0
