"""How many messages wait in a process, by service, and how old the first is."""

from __future__ import annotations

import uuid

from writegate_writer.receive.delivery import Delivery
from writegate_writer.schedule.backlog import Backlog, backlogs
from writegate_writer.schedule.domain import Domain

NOW_MILLIS = 1_700_000_000_000


def made(seconds_ago: float) -> str:
    """Return an id that was made so many seconds ago."""
    millis = NOW_MILLIS - int(seconds_ago * 1000)
    return str(uuid.UUID(int=millis << 80 | 7 << 76 | 2 << 62))


def domain(name: str, *waiting: tuple[str, object]) -> Domain:
    domain = Domain(name, 1, (("a", 0), ("b", 0)))
    for service, id_ in waiting:
        domain.put(Delivery(service, 0, 1, 0, b"", {"id": id_}, {}))
    return domain


def test_a_service_is_as_old_as_the_first_in_any_of_its_domains() -> None:
    first = domain("one", ("a", made(3)), ("a", made(60)), ("b", made(1)))
    second = domain("two", ("a", made(7.5)))
    assert backlogs([first, second], NOW_MILLIS) == {"a": Backlog(3, 7.5), "b": Backlog(1, 1.0)}


def test_an_empty_inbox_has_no_messages_and_no_age() -> None:
    assert backlogs([domain("one")], NOW_MILLIS) == {"a": Backlog(0, 0.0), "b": Backlog(0, 0.0)}
    assert backlogs([], NOW_MILLIS) == {}


def test_an_id_without_a_time_or_with_a_future_one_has_no_age() -> None:
    for id_ in (str(uuid.uuid4()), "x", None, 7, made(-100)):
        assert backlogs([domain("one", ("a", id_))], NOW_MILLIS)["a"] == Backlog(1, 0.0)
