"""Giving lanes to other domains while writers are at work.

Each transaction of a writer holds its domain's row, so whoever holds the rows of all domains concerned knows that
nothing is in flight in them. The new rows get an epoch beyond all old ones, and the old owners find at their next
transaction that they are fenced off: their unacknowledged messages go back to the broker in order, as at any take-over.
Commands that wait belong to a lane and go with it. What handlers emitted belongs to the domain as a whole, in one
order: when its lanes go different ways, it has to be the broker's first.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from psycopg2 import errors
from psycopg2.extensions import connection

from writegate.contract.lanes import lane_of
from writegate_writer.provision.change import ApplyError, Membership

# Longer than a batch may take by default (WRITEGATE_HANDLER_SECONDS).
DRAIN_SECONDS = 120.0
_LOOK_SECONDS = 0.2
HOLDER = "apply"

# What waits goes where its key's commands go from now on. What was decided only has to have a lane that there is.
_WAITING_KEYS = """
select key from writegate.deferred where service = %(service)s and state = 'deferred'
union select key from writegate.parked where service = %(service)s and state = 'parked' and key is not null
"""
_TO_LANES = """
with given as (select * from unnest(%(keys)s::text[], %(lanes)s::int[]) as given (key, lane)),
deferred as (update writegate.deferred d set lane = given.lane from given
             where d.service = %(service)s and d.state = 'deferred' and d.key is not distinct from given.key)
update writegate.parked p set lane = given.lane from given
where p.service = %(service)s and p.state = 'parked' and p.key = given.key
"""
_DECIDED = "update writegate.deferred set lane = 0 where service = %s and lane >= %s"
_LANES_GO = "delete from writegate.lane where service = %s and lane >= %s"

# In one order, and before anything else is locked.
_LOCK = """
select name from writegate.domain
where name in (select domain from writegate.lane where service = any(%(services)s)) or name = any(%(names)s)
order by name for update
"""
_LANES = "select service, lane, domain from writegate.lane where domain = any(%s)"
_EMITTED = "select distinct domain from writegate.outbox where domain = any(%s)"
_PUT_DOMAIN = """
insert into writegate.domain as d (name, tables, reason, epoch)
values (%s, %s, %s, (select coalesce(max(epoch), 0) + 1 from writegate.domain))
on conflict (name) do update set tables = excluded.tables, reason = excluded.reason, epoch = excluded.epoch,
    owner = null, lease_until = '-infinity'
"""
_PUT_LANE = """
insert into writegate.lane (service, lane, domain) values (%s, %s, %s)
on conflict (service, lane) do update set domain = excluded.domain
"""
_TAKE_DEFERRED = """
update writegate.deferred d set domain = l.domain from writegate.lane l
where l.service = d.service and l.lane = d.lane and d.domain = any(%s) and d.domain <> l.domain
"""
_TAKE_EMITTED = "update writegate.outbox set domain = %s where domain = %s"
_FORGET = "delete from writegate.domain where name = any(%s) and name not in (select domain from writegate.lane)"
_HOLD = """
insert into writegate.hold (target, reason, holder, until)
select target, 'apply changes which lanes are applied together', %s, clock_timestamp() + make_interval(secs => %s)
from unnest(%s::text[]) target on conflict (target) do nothing
"""
_RELEASE = "delete from writegate.hold where target = any(%s) and holder = %s"


def change(opened: connection, step: Membership) -> None:
    """Give the lanes of ``step`` to its domains, in one transaction.

    When something is in the way the services are held meanwhile. Raises :class:`ApplyError` when it still is after
    :data:`DRAIN_SECONDS`; nothing has changed then.
    """
    in_the_way = _try(opened, step)
    if in_the_way is None:
        return
    deadline = time.monotonic() + DRAIN_SECONDS
    with _held(opened, sorted({service for domain in step.domains for service in domain.services})):
        while in_the_way is not None:
            if time.monotonic() > deadline:
                raise ApplyError(
                    f"domains {', '.join(domain.name for domain in step.domains)}: {in_the_way}, still after "
                    f"{DRAIN_SECONDS:g} s of holding their services. Nothing was changed: they go on as before"
                )
            time.sleep(_LOOK_SECONDS)
            in_the_way = _try(opened, step)


def _try(opened: connection, step: Membership) -> str | None:
    """Make the change if nothing is in the way; else return what is."""
    try:
        with opened, opened.cursor() as cursor:
            return change_in(cursor, step)
    except (errors.LockNotAvailable, errors.DeadlockDetected):
        return "a batch has been in work all the time"


def change_in(cursor: Any, step: Membership) -> str | None:
    """Make the change in the open transaction if nothing is in the way; else return what is."""
    wanted = {lane: domain.name for domain in step.domains for lane in domain.lanes}
    names = {"services": sorted({service for service, _ in wanted}), "names": sorted(set(wanted.values()))}
    cursor.execute(_LOCK, names)
    old = [name for (name,) in cursor.fetchall()]
    cursor.execute(_LANES, [old])
    heirs: dict[str, set[str]] = {}
    for service, lane, domain in cursor.fetchall():
        if service in step.numbers:  # the keys of each lane go to all of them
            to = {name for (other, _), name in wanted.items() if other == service}
        else:
            to = {wanted.get((service, lane), domain)}
        heirs.setdefault(domain, set()).update(to)
    cursor.execute(_EMITTED, [[name for name, new in heirs.items() if len(new) > 1]])
    if emitted := sorted(name for (name,) in cursor.fetchall()):
        return f"what the handlers of {', '.join(emitted)} emitted waits for the broker (is a writer running?)"
    for domain in step.domains:
        cursor.execute(_PUT_DOMAIN, (domain.name, list(domain.tables), domain.reason))
        cursor.executemany(_PUT_LANE, [(*lane, domain.name) for lane in domain.lanes])
    for service, number in step.numbers.items():
        _change_number(cursor, service, number)
    cursor.execute(_TAKE_DEFERRED, [old])
    cursor.executemany(_TAKE_EMITTED, list(_moved(heirs)))
    cursor.execute(_FORGET, [old])
    return None


def _change_number(cursor: Any, service: str, number: int) -> None:
    cursor.execute(_WAITING_KEYS, {"service": service})
    keys = [key for (key,) in cursor.fetchall()]
    lanes = [lane_of(key, number) for key in keys]
    cursor.execute(_TO_LANES, {"service": service, "keys": keys, "lanes": lanes})
    cursor.execute(_DECIDED, (service, number))
    cursor.execute(_LANES_GO, (service, number))


def _moved(heirs: dict[str, set[str]]) -> Iterator[tuple[str, str]]:
    """Yield (new, old) of each domain that lives on whole under another name."""
    for old, new in heirs.items():
        if len(new) == 1 and new != {old}:
            yield next(iter(new)), old


@contextmanager
def _held(opened: connection, services: Iterable[str]) -> Iterator[None]:
    """Hold the services for as long as the block lasts, and at most as long as it may; a person's hold stays."""
    targets = list(services)
    _run(opened, _HOLD, (HOLDER, DRAIN_SECONDS, targets))
    try:
        yield
    finally:
        _run(opened, _RELEASE, (targets, HOLDER))


def _run(opened: connection, text: str, parameters: tuple[Any, ...]) -> None:
    with opened, opened.cursor() as cursor:
        cursor.execute(text, parameters)
