"""What tests of a service see of the broker in memory. That it is like RabbitMQ: see the conformance suite."""

from __future__ import annotations

import pytest

from tests.sample import Deposit, Note, Withdraw, accounts
from writegate import Command, Service
from writegate.errors import PublishTimeout, WritegateError
from writegate.testing import MemoryBroker


class Elsewhere(Command):
    """A command of a service that the broker does not know."""


Service("elsewhere", commands=[Elsewhere])


@pytest.fixture
def broker() -> MemoryBroker:
    with MemoryBroker([accounts]) as made:
        publisher = made.publisher()
        publisher.publish_many([Deposit(account="a-1", amount=3), Deposit(account="a-2", amount=3), Note(text="Zoë")])
        publisher.publish(Deposit(account="a-1", amount=5))
    return made


def test_published_commands_are_read_from_what_was_sent(broker: MemoryBroker) -> None:
    first, *_, last = broker.published
    assert broker.published.count(Deposit(account="a-1", amount=3)) == 1
    assert isinstance(last, Deposit)
    assert (last.amount, {type(command) for command in broker.published}) == (5, {Deposit, Note})
    sent = [message.sent.properties.headers["id"] for message in broker.take()]
    assert {first.command_id, last.command_id} & set(sent)


@pytest.mark.parametrize(
    ("key", "times", "fields"),
    [
        (None, None, {}),
        (None, 3, {}),
        ("a-1", 2, {}),
        ("a-1", 1, {"amount": 5}),
        (None, 2, {"amount": 3}),
        ("a-2", 0, {"amount": 5}),
    ],
)
def test_what_was_published_as_expected_is_fine(
    broker: MemoryBroker, key: str | None, times: int | None, fields: dict[str, int]
) -> None:
    broker.assert_published(Deposit, key=key, times=times, **fields)


def test_what_was_not_is_told_with_what_was(broker: MemoryBroker) -> None:
    with pytest.raises(AssertionError) as raised:
        broker.assert_published(Deposit, key="a-1", times=1, amount=4)
    first, *others = str(raised.value).splitlines()
    assert first == ("expected accounts.deposit key='a-1' amount=4 1 time, found it 0 times; published were:")
    assert sorted(others) == [
        "  accounts.deposit key='a-1' account='a-1' amount=3",
        "  accounts.deposit key='a-1' account='a-1' amount=5",
        "  accounts.deposit key='a-2' account='a-2' amount=3",
        "  accounts.note key=None text='Zoë'",
    ]
    with pytest.raises(AssertionError, match="at least once, found it 0 times"):
        broker.assert_published(Withdraw)
    with pytest.raises(AssertionError, match="published were:\n  nothing"):
        MemoryBroker([accounts]).assert_published(Withdraw)


def test_a_field_that_there_is_not_is_a_mistake_of_the_test(broker: MemoryBroker) -> None:
    with pytest.raises(TypeError, match=r"Deposit has no field 'cents': expected one of account, amount"):
        broker.assert_published(Deposit, cents=3)


def test_many_are_not_all_listed() -> None:
    with MemoryBroker([accounts]) as broker:
        broker.publisher().publish_many([Note(text=str(number)) for number in range(30)])
        with pytest.raises(AssertionError, match="text='19'\n  and 10 more"):
            broker.assert_published(Note, text="30")


def test_a_command_of_a_service_nobody_declared_is_told() -> None:
    declared_without_it = Service("elsewhere", commands=[])
    with MemoryBroker([declared_without_it]) as broker:
        broker.publisher().publish(Elsewhere())
        with pytest.raises(WritegateError, match=r"elsewhere.elsewhere was published, and no declared service has it"):
            broker.published  # noqa: B018  reading is what raises


def test_what_times_out_was_not_published() -> None:
    with MemoryBroker([accounts]) as broker:
        publisher = broker.publisher()
        with broker.away(), pytest.raises(PublishTimeout):
            publisher.publish(Note(text="x"), timeout=0.1)
        assert broker.published == []
        publisher.publish(Note(text="y"))
        assert broker.published == [Note(text="y")]
