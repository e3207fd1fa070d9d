"""What a writer publishes: emitted commands, commands in the wrong lane, receipts, answers to questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any

import structlog

from writegate.message.envelope import HOPS_HEADER, USER_HEADER, trace_header, traceparents_of
from writegate.message.receipt import to_result_message, unknown_result_message
from writegate.message.topology import route_of
from writegate_writer.counters import FORWARDED
from writegate_writer.decide.result import BatchResult
from writegate_writer.decide.store import Outgoing, Store
from writegate_writer.receive.delivery import Delivery, Misrouted
from writegate_writer.schedule.domain import Domain
from writegate_writer.schedule.ports import Consuming, Publishing, Served
from writegate_writer.schedule.questions import Asked
from writegate_writer.schedule.scheduler import DomainScheduler

log = structlog.get_logger(__name__)

# How long a domain is suspended when the broker did not confirm a forwarded command.
_FORWARD_AGAIN_SECONDS = 2.0


class Sending:
    """Publishes for turns. Nothing here waits for the broker: confirms come back as futures.

    All slot threads share one: it has no state of its own that changes. Futures of forwarded commands call back on the
    publisher's thread.
    """

    def __init__(
        self, services: Mapping[str, Served], scheduler: DomainScheduler, consuming: Consuming, publishing: Publishing
    ) -> None:
        self._services = services
        self._scheduler = scheduler
        self._consuming = consuming
        self._publishing = publishing

    def emitted(self, domain: Domain, outgoing: list[Outgoing]) -> None:
        """Send what was emitted, in order. Consecutive rows of one origin travel together."""
        groups: list[tuple[str | None, list[Outgoing]]] = []
        for row in outgoing:
            if not groups or groups[-1][0] != row.origin:
                groups.append((row.origin, []))
            groups[-1][1].append(row)
        for origin, rows in groups:
            # Lanes are counted as the database has them, if it does: all owners of this domain agree on that number.
            addressed = [
                (route_of(row.service, row.item.key, row.lanes or self._services[row.service].service.lanes), row.item)
                for row in rows
            ]
            headers = {USER_HEADER: origin} if origin else {}
            domain.outbox.add(rows, self._publishing.forward(addressed, headers))

    def misrouted(self, domain: Domain, misrouted: list[Misrouted]) -> list[Future[None]]:
        """Forward commands to their right lanes; each is acknowledged once the broker has confirmed it there.

        Returns what is done when the broker has confirmed them.
        """
        sent = []
        for command in misrouted:
            delivery = command.delivery
            headers: dict[str, Any] = {HOPS_HEADER: 1, USER_HEADER: delivery.verified.origin}
            headers |= trace_header(traceparents_of(delivery.headers))
            confirmed = self._publishing.forward([(command.route, command.item)], headers, delivery.verified.reply_to)
            confirmed.add_done_callback(partial(self._forwarded, domain, delivery))
            sent.append(confirmed)
        return sent

    def _forwarded(self, domain: Domain, delivery: Delivery, confirmed: Future[None]) -> None:
        error = confirmed.exception()
        if error is None:
            FORWARDED.labels(delivery.service).inc()
            self._consuming.settle(domain, {delivery: 1})
            return
        # It is not acknowledged, so it is not lost: when its channel is closed the broker delivers it again.
        log.error("forward.failed", domain=domain.name, error=str(error))
        self._scheduler.suspend(domain, _FORWARD_AGAIN_SECONDS)
        self._consuming.refresh(domain)

    def receipts(self, done: BatchResult) -> None:
        """Send receipts to the senders that asked for one."""
        for reply_to, receipt in done.asked():
            self._publishing.reply(reply_to, receipt.id, to_result_message(receipt))

    def answers(self, store: Store, service: str, asked: Sequence[Asked]) -> None:
        """Answer questions for the receipts of commands, with one look-up for all of them."""
        found = store.look_up(service, [question.command_id for question in asked])
        for question in asked:
            receipt = found.get(question.command_id)
            known = to_result_message(receipt) if receipt else unknown_result_message(question.command_id)
            self._publishing.reply(question.reply_to, question.message_id, known)
