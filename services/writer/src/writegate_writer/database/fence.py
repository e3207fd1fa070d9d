"""The fence: a transaction of a domain goes on only while its owner holds the domain with this epoch.

The fence is the function ``writegate.fence`` of the schema. It locks the domain's row until the transaction ends, which
is what makes a domain serial, and renews the lease on the way. An older owner's transaction fails with ``WG001``
(:data:`~writegate_writer.errors.FENCED_SQLSTATE`).
"""

from __future__ import annotations

from typing import Any

from writegate_writer.database.session import Session
from writegate_writer.decide.store import Owner
from writegate_writer.receive.sanitizing import sanitize_text

FENCE = "SELECT writegate.fence(%(domain)s, %(epoch)s, make_interval(secs => %(lease)s))"


def fence_parameters(owner: Owner) -> dict[str, Any]:
    """Return the parameters of :data:`FENCE`."""
    return {"domain": owner.domain, "epoch": owner.epoch, "lease": owner.lease_seconds}


def check_owned(session: Session, owner: Owner) -> None:
    """Pass the fence in a transaction of its own, for what is done outside of one."""
    session.own(FENCE, fence_parameters(owner))


_NOTE_STOPPED = """
UPDATE writegate.domain SET stopped_by = %(cause)s,
       stopped_at = CASE WHEN %(cause)s IS NOT NULL THEN coalesce(stopped_at, clock_timestamp()) END
WHERE name = %(domain)s AND epoch = %(epoch)s
"""


def note_stopped(session: Session, owner: Owner, cause: str | None) -> None:
    """Write down why the domain is not served at present, unless it has another owner; None: it is served again."""
    cause = sanitize_text(cause) if cause is not None else None
    session.own(_NOTE_STOPPED, {"cause": cause, "domain": owner.domain, "epoch": owner.epoch})
