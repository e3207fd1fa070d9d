"""Domains that ``apply`` itself owns for a while, so that no writer claims, applies or consumes anything of them.

Their writers notice at the next transaction or check of their leases, as at any take-over, and close their channels.
Then everything that was delivered is in the queues again, and can be counted.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import psycopg2
from psycopg2 import errors
from psycopg2.extensions import connection

from writegate_writer.provision import membership
from writegate_writer.provision.change import ApplyError, Membership

OWNER = membership.HOLDER

_PEOPLES_HOLDS = """
select target || ' by ' || holder || ': ' || reason from writegate.hold
where split_part(target, '.', 1) = any(%s) and target ~ '^[a-z0-9_]+([.][0-9]+)?$'
  and holder <> %s and (until is null or until > clock_timestamp())
"""
_PENDING = """
select distinct domain from writegate.outbox
where service = any(%(services)s) or domain in (select domain from writegate.lane where service = any(%(services)s))
"""
_HOLD = """
insert into writegate.hold (target, reason, holder, until)
select distinct service, 'apply waits until what its handlers emit is at the broker', %s,
       clock_timestamp() + make_interval(secs => %s)
from writegate.lane where domain = any(%s) and service <> all(%s) on conflict (target) do nothing
"""
_RELEASE = "delete from writegate.hold where holder = %s"
_TAKE = """
update writegate.domain set owner = %s, epoch = epoch + 1, lease_until = clock_timestamp() + make_interval(secs => %s)
where name in (select domain from writegate.lane where service = any(%s))
"""
_GIVE_BACK = "update writegate.domain set owner = null, lease_until = '-infinity' where owner = %s"
# All of them: handlers of any domain may emit commands of these services.
_LOCK = "select from writegate.domain order by name for update"
_LOST = """
select d.name from writegate.domain d where d.owner is distinct from %s
   and d.name in (select domain from writegate.lane where service = any(%s))
"""
_NOTE = "insert into writegate.audit (who, action, target, detail) values (current_user, 'switch', %s, %s)"


class DomainTakeover:
    """The domains of some services, while ``apply`` owns them. Every method may raise :class:`ApplyError`."""

    def __init__(self, opened: connection, services: Sequence[str]) -> None:
        self._connection = opened
        self._services = list(services)

    def held_by_people(self) -> list[str]:
        """Return the holds under which these services' lanes are not consumed."""
        return [text for (text,) in self._run(_PEOPLES_HOLDS, (self._services, OWNER))]

    def pending(self) -> list[str]:
        """Return the domains with something in the outbox that is for these services, or theirs."""
        return [domain for (domain,) in self._run(_PENDING, {"services": self._services})]

    def hold_others(self, domains: Sequence[str], seconds: float) -> None:
        """Hold the other services of these domains, so that they emit nothing new, for at most ``seconds``."""
        self._run(_HOLD, (OWNER, seconds, list(domains), self._services))

    def take(self, seconds: float) -> str | None:
        """Become the owner for at most ``seconds``; return what prevents it."""
        try:
            self._run(_TAKE, (OWNER, seconds, self._services))
        except errors.LockNotAvailable:
            return "a batch has been in work all the time"
        return None

    def give_back(self) -> None:
        """Give the domains up, so that writers can own them."""
        self._run(_GIVE_BACK, (OWNER,))

    def release(self) -> None:
        """Release the holds on the other services."""
        self._run(_RELEASE, (OWNER,))

    def switch(self, step: Membership, ready: Callable[[], str | None], at_broker: Callable[[], None]) -> str | None:
        """Change the lanes at both servers, with nothing in flight; return what prevents it.

        ``ready`` returns what prevents it at the broker; ``at_broker`` makes the change there, before the COMMIT.
        """
        try:
            with _translated(), self._connection, self._connection.cursor() as cursor:
                cursor.execute(_LOCK)
                cursor.execute(_LOST, (OWNER, self._services))
                if cursor.fetchone():
                    return "it took too long, and a writer has taken the lanes over"
                cursor.execute(_PENDING, {"services": self._services})
                if cursor.fetchone():
                    return "what handlers emitted waits for the broker"
                in_the_way = ready() or membership.change_in(cursor, step)
                if in_the_way is not None:
                    return in_the_way
                for service in self._services:
                    cursor.execute(_NOTE, (service, json.dumps({"lanes": step.numbers.get(service)})))
                at_broker()
        except errors.LockNotAvailable:
            return "a batch has been in work all the time"
        return None

    def _run(self, text: str, parameters: Sequence[object] | Mapping[str, object]) -> list[tuple[str, ...]]:
        with _translated(), self._connection, self._connection.cursor() as cursor:
            cursor.execute(text, parameters)
            return cursor.fetchall() if cursor.description else []


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except errors.LockNotAvailable:
        raise
    except psycopg2.Error as error:
        raise ApplyError(f"the lanes could not be switched: {str(error).strip()}") from error
