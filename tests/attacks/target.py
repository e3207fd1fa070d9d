"""The gate that is attacked: private servers, two writers, and the ways into it that an attacker has."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import pika

from tests.attacks.sender import sender_running
from tests.integration.gate import Gate, gate_running
from tests.servers import Servers
from tests.services.trial.contract import trial
from writegate.contract.lanes import lane_of
from writegate.message.envelope import Message
from writegate.message.topology import exchange_name

ATTACKER: Final = "trial"  # a service with two lanes: its user may publish to its own exchange only
CONNECTIONS: Final = 6  # two slots and one for control, for each writer
MOST_PARKED: Final = 15_000
WRITERS: Final = ("writer-1", "writer-2")


class Target:
    """A gate with two writers. ``sender``: a process that sends; ``directory``: for files that an attack needs."""

    def __init__(self, gate: Gate, sender: Executor, directory: Path) -> None:
        self.gate = gate
        self.sender = sender
        self.directory = directory

    @contextmanager
    def attacker(self) -> Iterator[Attacker]:
        """Yield a connection of the attacking service."""
        parameters = pika.URLParameters(self.gate.broker.url(ATTACKER))
        parameters.heartbeat = 0  # none is sent while an attack waits for something else
        with closing(pika.BlockingConnection(parameters)) as connection:
            yield Attacker(connection)

    def parked_bytes(self) -> int:
        """Return how large the table of parked commands is."""
        return int(self.gate.database.value("SELECT pg_total_relation_size('writegate.parked')"))

    def decide_parked(self) -> None:
        """Have nothing parked, as if people had decided about all of it."""
        self.gate.database.sql("DELETE FROM writegate.parked")

    def check_whole(self) -> None:
        """Both writers are alive, and said nothing of an error of their own."""
        for writer in self.gate.writers.values():
            assert writer.alive, f"{writer.name} ended: {writer.log[-3000:]}"
            log = writer.log
            assert "Traceback" not in log, f"{writer.name}: {log[max(0, log.index('Traceback') - 500) :][:3000]}"


class Attacker:
    """Publishes as the attacking service, confirmed. Whatever it says of itself is in the message."""

    def __init__(self, connection: pika.BlockingConnection) -> None:
        self.connection = connection
        self.channel = connection.channel()
        self.channel.confirm_delivery()

    def send(self, message: Message, key: str | None = None, **properties: Any) -> None:
        """Publish a message to the lane of ``key``; ``properties`` come in addition to the message's own."""
        given = pika.BasicProperties(headers=message.headers, **{**message.properties, **properties})
        routing_key = str(lane_of(key, trial.lanes))
        self.channel.basic_publish(exchange_name(ATTACKER), routing_key, message.body, given, mandatory=True)


@contextmanager
def target_running(servers: Servers, directory: Path) -> Iterator[Target]:
    """Set up a gate with two writers, and take it down again."""
    with (
        sender_running() as sender,
        gate_running(servers, "gate_attacks", CONNECTIONS, WRITEGATE_PARKED_COMMANDS=str(MOST_PARKED)) as gate,
    ):
        for name in WRITERS:
            gate.writers.start(name, wait=False)
        gate.wait_shared(*WRITERS)
        yield Target(gate, sender, directory)
