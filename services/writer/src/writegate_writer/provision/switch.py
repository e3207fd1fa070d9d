"""Changing the number of lanes, or the arguments of their queues, while services publish and writers write.

A key's lane depends on the number of lanes. So the old lanes must be empty before the new ones are used: publishers are
shut out for a moment (their calls go to the spool), the writers apply what is in the queues, and when nothing is in
flight, broker and database are changed together. ADR 18 explains why each step is safe, and when to restart what.

After an interrupted switch the publishers stay shut out, and nothing else is left: `plan` shows it, `apply` ends it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from writegate.message.topology import exchange_name
from writegate_writer.provision.broker import Broker
from writegate_writer.provision.broker_diff import lane_number
from writegate_writer.provision.change import ApplyError, BrokerRequest, Change, Membership
from writegate_writer.provision.domain_takeover import DomainTakeover
from writegate_writer.provision.lane_queues import LaneQueues

_POLL_SECONDS = 0.1
# A client that does not answer when its connection is closed is given 10 s by the broker.
_DISCONNECT_SECONDS = 30.0
# Writers check their leases twice a second. The broker disconnects a writer that is frozen or cut off when heartbeats
# are missing: by default after twice 5 s.
_STOP_CONSUMING_SECONDS = 20.0
# How long no writer may own the domains, even if this process ends.
_OWN_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Switching:
    """What is to be switched. ``replaced``: queues that are to be deleted, and made anew by ``changes``.

    ``queues``: all that are or were lanes of the services.
    """

    services: tuple[str, ...]
    step: Membership
    queues: tuple[str, ...]
    replaced: tuple[str, ...]
    changes: Callable[[], Sequence[Change]]  # what the broker lacks for the new lanes, read when called


class Switch:
    """Runs the steps of a switch. ``report`` is called with a line for each."""

    def __init__(
        self,
        work: Switching,
        broker: Broker,
        queues: LaneQueues,
        takeover: DomainTakeover,
        report: Callable[[str], None],
    ) -> None:
        self._work = work
        self._broker = broker
        self._queues = queues
        self._takeover = takeover
        self._report = report
        self._shut: dict[str, int | None] = {}  # services that are shut out, with their former limit of connections
        self._at_broker = False  # something has changed there

    def run(self, limit_seconds: float) -> None:
        """Switch. Raises :class:`ApplyError`; unless its text says otherwise, nothing was changed."""
        names = ", ".join(self._work.services)
        self._refuse()
        began = time.monotonic()
        try:
            self._shut_out()
            self._report(f"publishers of {names} are shut out: their calls go to the spool; waiting for empty lanes")
            self._keep_trying(limit_seconds)
        except BaseException:
            if self._at_broker:
                self._report(f"publishers of {names} stay shut out until `writegate apply` has put the lanes right")
            else:
                self._let_in()
            raise
        else:
            self._let_in()
        finally:
            self._takeover.give_back()
            self._takeover.release()
        seconds = time.monotonic() - began
        self._report(f"switched; publishers of {names} are let in after {seconds:.1f} s. Now restart the writers")

    def _keep_trying(self, limit_seconds: float) -> None:
        deadline = time.monotonic() + limit_seconds
        while (in_the_way := self._try(limit_seconds)) is not None:
            if time.monotonic() > deadline:
                raise ApplyError(
                    f"{', '.join(self._work.services)}: {in_the_way}, still after {limit_seconds:g} s. "
                    "Nothing was changed: publishers and writers go on as before"
                )
            time.sleep(_POLL_SECONDS)

    def _refuse(self) -> None:
        """Raise if the switch could never finish."""
        if held := self._takeover.held_by_people():
            raise ApplyError(f"held: {'; '.join(held)}. Lanes that are held do not run empty: release them first")
        for service in self._work.services:
            others = sorted(
                {publisher.user for publisher in self._broker.publishers(exchange_name(service))} - {service}
            )
            if others:
                raise ApplyError(
                    f"{', '.join(others)} may publish to {exchange_name(service)} too: disconnect them, or take that "
                    "right away"
                )

    def _shut_out(self) -> None:
        for service in self._work.services:
            self._shut[service] = self._broker.shut_out(service)
        for service in self._work.services:
            if not _within(_DISCONNECT_SECONDS, partial(self._disconnected, service)):
                raise ApplyError(f"connections of {service} do not end")

    def _disconnected(self, service: str) -> bool:
        return not self._broker.disconnect(service)

    def _let_in(self) -> None:
        for service, limit in self._shut.items():
            self._broker.let_in(service, limit)

    def _try(self, limit_seconds: float) -> str | None:
        """Switch if nothing prevents it; else return what does."""
        if domains := self._takeover.pending():
            self._takeover.hold_others(domains, limit_seconds + _OWN_SECONDS)
            return "what handlers emitted waits for the broker (is a writer running?)"
        if waiting := self._waiting():
            return waiting
        in_the_way = self._takeover.take(_OWN_SECONDS)
        if in_the_way is None:
            if not _within(_STOP_CONSUMING_SECONDS, lambda: not self._consumed()):
                in_the_way = f"{', '.join(self._consumed())}: a writer goes on consuming"
            else:
                in_the_way = self._takeover.switch(self._work.step, self._ready, self._change_broker)
        if in_the_way is not None:
            self._takeover.give_back()
        return in_the_way

    def _waiting(self) -> str | None:
        counts = {queue: self._queues.counts(queue)[0] for queue in self._work.queues}
        texts = [f"{count} message(s) wait in {queue}" for queue, count in counts.items() if count]
        return f"{', '.join(texts)} (is a writer running?)" if texts else None

    def _consumed(self) -> list[str]:
        return [queue for queue in self._work.queues if self._queues.counts(queue)[1]]

    def _ready(self) -> str | None:
        """Check again, now that nothing can be emitted: return what still prevents the switch."""
        if any(self._broker.disconnect(service) for service in self._work.services):
            return "a publisher came in at the last moment"
        return self._waiting() or ("a writer consumes again" if self._consumed() else None)

    def _change_broker(self) -> None:
        self._at_broker = True
        for queue in self._work.replaced:
            self._broker.delete_queue(queue)
        for change in self._work.changes():
            if isinstance(change.step, BrokerRequest) and change.kind in {"queue", "binding"}:
                self._broker.run(change.step, {})


def _within(seconds: float, condition: Callable[[], bool]) -> bool:
    """Wait until a condition holds; return whether it did in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def lanes_of(services: Sequence[str], queues: Sequence[str]) -> tuple[str, ...]:
    """Return those queues that are or were lanes of the services."""
    return tuple(queue for queue in queues if any(lane_number(service, queue) is not None for service in services))
