"""The SQL of leases: which writer holds which domain, and until when. Runs on the control thread's connection."""

from __future__ import annotations

from collections.abc import Sequence

from writegate_writer.database.session import APPLICATION, CONTROL_APPLICATION, Session
from writegate_writer.decide.holds import Holds, holds_of
from writegate_writer.schedule.shares import Ownership
from writegate_writer.schedule.sharing import Claimed

# A domain whose row is locked is in the middle of a transaction: its owner's, which renews the lease by itself.
_RENEW = """
UPDATE writegate.domain SET lease_until = clock_timestamp() + make_interval(secs => %(lease)s)
WHERE name IN (SELECT name FROM writegate.domain WHERE owner = %(me)s AND name = ANY(%(held)s) FOR UPDATE SKIP LOCKED)
"""
_READ = """
SELECT name, owner, epoch, lease_until < clock_timestamp() OR owner IS NULL, revision
FROM writegate.domain ORDER BY name
"""
# A writer that is frozen or cut off keeps its control connection for long, but asks for nothing on it any more. One
# without a slot can serve nothing: a share left for it would be served by nobody. A name ends with the process, cut to
# fit: its first characters and what follows its last slash are always there.
_WRITERS = """
WITH session AS (
    SELECT application_name AS name, state, state_change,
           substring(application_name from ' (.{1,20})') || substring(application_name from '/[^/]+$') AS process
    FROM pg_stat_activity WHERE usename = current_user
)
SELECT count(*) FROM session control
WHERE name LIKE %(control)s
      AND (state = 'active' OR state_change > clock_timestamp() - make_interval(secs => %(lease)s))
      AND EXISTS (SELECT FROM session slot WHERE slot.name LIKE %(slots)s AND slot.process = control.process)
"""
# The lanes are read in a statement of their own, once the domain's row is locked: `apply` may be parting the domain,
# and one that began before would find its new epoch, but the lanes as they were. What is sent together is one
# transaction; what it has written is what it has claimed.
_CLAIM = """
UPDATE writegate.domain d SET owner = %(me)s, epoch = d.epoch + 1, stopped_by = NULL, stopped_at = NULL,
       lease_until = clock_timestamp() + make_interval(secs => %(lease)s)
WHERE d.name IN (SELECT name FROM writegate.domain
                 WHERE name = ANY(%(names)s) AND (owner IS NULL OR lease_until < clock_timestamp())
                 FOR UPDATE SKIP LOCKED);
SELECT d.name, d.epoch, (SELECT json_agg(json_build_array(service, lane) ORDER BY service, lane)
                         FROM writegate.lane l WHERE l.domain = d.name),
       (SELECT json_object_agg(service, number)
        FROM (SELECT service, count(*) AS number FROM writegate.lane
              WHERE service IN (SELECT service FROM writegate.lane l WHERE l.domain = d.name) GROUP BY service) AS own)
FROM writegate.domain d WHERE d.xmin = pg_current_xact_id()::xid AND d.owner = %(me)s
"""
_HOLDS = """
SELECT target, reason, array(SELECT DISTINCT service FROM writegate.lane)
FROM writegate.hold WHERE until IS NULL OR until > clock_timestamp()
"""
_RELEASE = """
UPDATE writegate.domain SET owner = NULL, lease_until = '-infinity' WHERE owner = %(me)s AND name = ANY(%(names)s)
"""


class SqlLeases:
    """:class:`~writegate_writer.schedule.sharing.Leases` over a :class:`Session`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def renew(self, writer: str, domains: Sequence[str], seconds: float) -> None:
        self._session.own(_RENEW, {"lease": seconds, "me": writer, "held": list(domains)})

    def ownerships(self) -> list[Ownership]:
        return [Ownership(*row) for row in self._session.own(_READ)]

    def holds(self) -> Holds:
        rows = self._session.own(_HOLDS)
        return holds_of([(target, reason) for target, reason, _ in rows], rows[0][2] if rows else ())

    def writers(self, seconds: float) -> int:
        names = {"control": f"{CONTROL_APPLICATION} %", "slots": f"{APPLICATION}.%"}
        [(writers,)] = self._session.own(_WRITERS, {**names, "lease": seconds})
        return int(writers)

    def claim(self, writer: str, domains: Sequence[str], seconds: float) -> list[Claimed]:
        rows = self._session.own(_CLAIM, {"me": writer, "lease": seconds, "names": list(domains)})
        return [
            Claimed(name, epoch, tuple((service, lane) for service, lane in lanes or []), numbers or {})
            for name, epoch, lanes, numbers in rows
        ]

    def release(self, writer: str, domains: Sequence[str]) -> None:
        self._session.own(_RELEASE, {"me": writer, "names": list(domains)})
