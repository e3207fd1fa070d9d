"""The ways of publishing, and the brokers, which must not differ in what they promise."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence

import pytest

from tests.broker import vhost_of
from tests.conformance.brokers import Broker, Memory, RabbitMq
from tests.relay import relay_to
from tests.servers import Servers
from writegate import Command
from writegate.publishing import Publisher

Way = Callable[[Publisher, Sequence[Command]], None]


def publish(publisher: Publisher, commands: Sequence[Command]) -> None:
    for command in commands:
        assert publisher.publish(command).command_id == command.command_id


def apublish(publisher: Publisher, commands: Sequence[Command]) -> None:
    async def each() -> None:
        for command in commands:
            assert (await publisher.apublish(command)).command_id == command.command_id

    asyncio.run(each())


def publish_many(publisher: Publisher, commands: Sequence[Command]) -> None:
    accepted = publisher.publish_many(commands)
    assert [one.command_id for one in accepted] == [command.command_id for command in commands]


def apublish_many(publisher: Publisher, commands: Sequence[Command]) -> None:
    accepted = asyncio.run(publisher.apublish_many(commands))
    assert [one.command_id for one in accepted] == [command.command_id for command in commands]


@pytest.fixture(params=[publish, apublish, publish_many, apublish_many], ids=lambda way: way.__name__)
def way(request: pytest.FixtureRequest) -> Way:
    """One of the ways of publishing."""
    chosen: Way = request.param
    return chosen


@pytest.fixture(params=["rabbitmq", "memory"])
def broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    """A broker of this test's own."""
    if request.param == "memory":
        yield Memory()
        return
    servers: Servers = request.getfixturevalue("servers")
    name = f"test-{request.node.name}".replace("[", "-").replace("]", "")
    with vhost_of(servers, name) as vhost, relay_to(servers.stack.state.ports["rabbitmq"]) as relay:
        yield RabbitMq(vhost, relay)
