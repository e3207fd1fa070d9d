"""A domain's inbox and outbox."""

from __future__ import annotations

from concurrent.futures import Future

import pytest

from tests.sample import first_queue, item
from writegate_writer.decide.store import Outgoing
from writegate_writer.receive.delivery import Delivery
from writegate_writer.schedule.domain import Domain, Outbox, Phase


def delivery(service: str, tag: int) -> Delivery:
    return Delivery(service, 0, tag, 0, b"", {}, {})


def rows(*numbers: int) -> list[Outgoing]:
    return [Outgoing(number, item(None), "fleet", None, None) for number in numbers]


def confirmed() -> Future[None]:
    future: Future[None] = Future()
    future.set_result(None)
    return future


def test_services_of_a_domain_take_turns_each_in_its_own_order() -> None:
    domain = Domain("a+b", 1, (("a", 0), ("a", 1), ("b", 0)))
    for service, tag in [("a", 1), ("a", 2), ("a", 3), ("b", 4)]:
        domain.put(delivery(service, tag))
    taken = []
    while (first := domain.first()) is not None:
        queue = first_queue(domain)
        assert queue
        assert queue[0] is first
        taken.append(queue.popleft().tag)
    assert taken == [1, 4, 2, 3]
    assert first_queue(domain) is None


def test_lanes_of_a_service_take_turns_as_one() -> None:
    domain = Domain("a+b", 1, (("a", 0), ("a", 1), ("b", 0)))
    for service, lane, tag in [("a", 0, 1), ("a", 0, 2), ("a", 1, 3), ("b", 0, 4), ("b", 0, 5)]:
        domain.put(Delivery(service, lane, tag, 0, b"", {}, {}))
    taken = []
    while queue := first_queue(domain):
        taken.append(queue.popleft().tag)
    assert taken == [1, 4, 3, 5, 2], "one of b after one of a, whichever of its lanes that was"


def test_what_waits_is_void_once_its_channel_goes() -> None:
    domain = Domain("a", 1, (("a", 0),))
    domain.put(delivery("a", 1))
    assert (domain.messages_in_memory, domain.generation, domain.phase) == (1, 0, Phase.STARTING)
    domain.empty()
    assert (domain.messages_in_memory, domain.generation) == (0, 1)


def test_rows_are_forgotten_up_to_the_first_that_is_not_confirmed() -> None:
    outbox = Outbox()
    first, second, third = confirmed(), Future[None](), confirmed()
    for number, future in enumerate((first, second, third)):
        outbox.add(rows(number * 2 + 1, number * 2 + 2), future)
    assert outbox.confirmed_up_to() == 2
    assert len(outbox) == 2
    assert outbox.confirmed_up_to() == 2, "until it was done"
    outbox.mark_deleted(2)
    assert outbox.confirmed_up_to() is None
    second.set_result(None)
    assert outbox.confirmed_up_to() == 6
    assert len(outbox) == 0


def test_what_became_forgettable_meanwhile_is_not_lost() -> None:
    outbox = Outbox()
    outbox.add(rows(1), confirmed())
    assert outbox.confirmed_up_to() == 1
    outbox.add(rows(2), confirmed())
    assert outbox.confirmed_up_to() == 2
    outbox.mark_deleted(1)  # a transaction that began before
    assert outbox.confirmed_up_to() == 2


def test_a_failed_publish_is_raised_and_nothing_after_it_forgotten() -> None:
    outbox, failed = Outbox(), Future[None]()
    outbox.add(rows(1), failed)
    outbox.add(rows(2), confirmed())
    failed.set_exception(RuntimeError("refused"))
    with pytest.raises(RuntimeError, match="refused"):
        outbox.confirmed_up_to()
