"""The SQL of suspects: commands that may be why writers died."""

from __future__ import annotations

from writegate_writer.database.session import Session
from writegate_writer.decide.store import Owner

_SUSPECT = """
INSERT INTO writegate.suspect AS s (service, id, writer) VALUES (%s, %s::uuid, %s)
ON CONFLICT (service, id) DO UPDATE SET times = s.times + (s.writer <> excluded.writer)::int, writer = excluded.writer
RETURNING times
"""


def suspect(session: Session, owner: Owner, service: str, ledger_id: str) -> int:
    """Write down, in a transaction of its own, what may end the process: a command to be applied alone, or a replay.

    Returns how many writers have written it down. One that tries again after an outage is counted once: it is alive.
    """
    [(times,)] = session.own(_SUSPECT, [service, ledger_id, owner.writer])
    return int(times)


def clear_suspect(session: Session, service: str, ledger_id: str) -> None:
    """Delete the row: what was suspected did not end the process."""
    session.own("DELETE FROM writegate.suspect WHERE service = %s AND id = %s::uuid", [service, ledger_id])
