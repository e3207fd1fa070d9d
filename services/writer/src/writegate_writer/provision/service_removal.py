"""Taking a service away from the gate, in steps that can be repeated: nothing that waits is lost.

First nobody publishes any more, then the writers, who still have its handlers, apply what waits. Then `apply`'s own
lease keeps them off its lanes, and broker and database forget it. Its tables and the record of its migrations stay.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from writegate_writer.handlers.roles import role_of, user_of
from writegate_writer.provision.broker import Broker
from writegate_writer.provision.broker_diff import publisher_permission
from writegate_writer.provision.change import ApplyError
from writegate_writer.provision.database import Database
from writegate_writer.provision.lane_queues import LaneQueues
from writegate_writer.provision.orphans import queues_of

_POLL_SECONDS = 0.1
# As for a switch: writers check their leases twice a second, and a frozen one is disconnected after missing heartbeats.
_STOP_CONSUMING_SECONDS = 20.0
_OWN_SECONDS = 60.0


class ServiceRemoval:
    """Runs the steps."""

    def __init__(self, service: str, broker: Broker, queues: LaneQueues, database: Database) -> None:
        self._service = service
        self._broker = broker
        self._queues = queues
        self._takeover = database.takeover([service])
        self._rows = database.rows_of(service)

    def run(self, limit_seconds: float, report: Callable[[str], None]) -> None:
        """Remove the service; ``report`` is called with a line for each step.

        Raises :class:`ApplyError`; then its publisher is let in again, and nothing is gone.
        """
        state = self._broker.read({})
        names = queues_of(self._service, state)
        user = user_of(self._service)
        ours = state.users.get(user) == publisher_permission(self._service)
        limit = self._broker.shut_out(user) if ours else None
        try:
            if ours:
                self._broker.disconnect(user)
                report(f"the broker user {user} is shut out")
            self._wait(lambda: self._waiting(names), limit_seconds)
            # What is emitted, or waits for something, may still come to its end; of the rest people decide.
            self._wait(self._rows.undecided, limit_seconds)
            self._wait(lambda: self._takeover.take(_OWN_SECONDS), limit_seconds)
            # The dead-letter queue is a writer's of any domain, and empty.
            lanes = [name for name in names if name.rpartition(".")[2].isdecimal()]
            self._wait(lambda: self._consumed(lanes), _STOP_CONSUMING_SECONDS)
            self._wait(lambda: self._waiting(names), 0)
        except BaseException:
            self._takeover.give_back()
            if ours:
                self._broker.let_in(user, limit)
            raise
        self._broker.forget(self._service, names, user if ours else None)
        report(f"the broker has forgotten it: {len(names)} queue(s), its exchange and its user")
        kept = self._rows.delete()
        report(f"the database has forgotten its lanes, rights and role{f' ({kept})' if kept else ''}")
        report(
            f"its tables stay, and {role_of(self._service)} cannot write them any more: drop them when nobody needs "
            "them. Restart the writers without it"
        )

    def _wait(self, in_the_way: Callable[[], str | None], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while (what := in_the_way()) is not None:
            if time.monotonic() >= deadline:
                raise ApplyError(f"{self._service}: {what}, still after {seconds:g} s. Nothing was removed")
            time.sleep(_POLL_SECONDS)

    def _waiting(self, names: list[str]) -> str | None:
        counts = {name: self._queues.counts(name)[0] for name in names}
        texts = [f"{count} message(s) wait in {name}" for name, count in counts.items() if count]
        return f"{', '.join(texts)} (is a writer running that has its handlers?)" if texts else None

    def _consumed(self, lanes: list[str]) -> str | None:
        consumed = [name for name in lanes if self._queues.counts(name)[1]]
        return f"a writer goes on consuming {', '.join(consumed)}" if consumed else None
