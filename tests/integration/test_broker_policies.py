"""Policies that somebody sets at the broker: ours lose nothing to them, or they are named wherever people look."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from pika.adapters.blocking_connection import BlockingChannel

from tests.deadlines import patient
from tests.integration.gate import Gate, gate_running
from tests.place import NAME, Place
from tests.servers import Servers
from writegate_devkit.stack.readiness import wait_until

DEADLINE_SECONDS = patient(60)
DEAD, LANE = "writes.beta.dead", "writes.beta.0"
HARMFUL = {
    "message-ttl": (60_000, LANE, "taken out and parked after 60 s"),
    "expires": (3_600_000, LANE, "deleted with all that is in it while nobody consumes it for 3600 s"),
    "delivery-limit": (3, LANE, "parked after 3 lost connections"),
}


@contextmanager
def policy(
    servers: Servers, vhost: str, definition: dict[str, Any], kind: str = "policies", apply_to: str = "queues"
) -> Iterator[None]:
    """A policy named "theirs", for as long as the block lasts."""
    body = {"pattern": "^writes", "apply-to": apply_to, "priority": 1, "definition": definition}
    with servers.broker_api() as api:
        api.put(f"/{kind}/{vhost}/theirs", json=body).raise_for_status()
        yield
        api.delete(f"/{kind}/{vhost}/theirs").raise_for_status()


@pytest.mark.parametrize("kind", ["policies", "operator-policies"])
@pytest.mark.parametrize("key", HARMFUL)
def test_what_no_argument_can_win_against_is_named_by_plan_and_apply_fails(applied: Place, kind: str, key: str) -> None:
    value, queue, text = HARMFUL[key]
    with policy(applied.servers, NAME, {key: value}, kind):
        found = applied.plan().refused
        assert {(change.kind, change.name) for change in found} == {("policy", "theirs")}
        assert any(queue in change.detail and text in change.detail for change in found), found
        assert any(DEAD in change.detail and "dropped" in change.detail for change in found) == (key != "expires")
        assert applied.apply() == []
    assert applied.plan().changes == ()


def test_a_policy_that_sends_elsewhere_what_has_no_queue_is_named(applied: Place) -> None:
    with policy(applied.servers, NAME, {"alternate-exchange": "amq.fanout"}, apply_to="exchanges"):
        [change] = applied.plan().refused
    assert change.name == "theirs"
    assert "writes.alpha" in change.detail
    assert "alternate-exchange" in change.detail


def waiting(channel: BlockingChannel, queue: str) -> int:
    return int(channel.queue_declare(queue, passive=True).method.message_count)


def kept(channel: BlockingChannel, queue: str) -> list[bytes]:
    """What is in a queue, taken out of it."""
    bodies: list[bytes] = []
    count = waiting(channel, queue)
    for method, _, body in channel.consume(queue, inactivity_timeout=DEADLINE_SECONDS):
        assert method is not None, f"{queue}: expected {count} messages, and only {bodies} came"
        channel.basic_ack(method.delivery_tag)
        bodies.append(body)
        if len(bodies) == count:
            break
    channel.cancel()
    return bodies


@pytest.mark.parametrize("queue", [LANE, DEAD])
def test_a_length_limit_that_drops_the_oldest_does_not_apply_to_lanes_and_dead_queues(
    applied: Place, queue: str
) -> None:
    """The control is a queue as ours were: without an argument of its own, the policy's drop-head is in force."""
    lose = "writes_control"
    with (
        policy(applied.servers, NAME, {"max-length": 2, "overflow": "drop-head"}),
        closing(applied.broker("writegate_owner")) as connection,
    ):
        assert applied.plan().changes == ()
        channel = connection.channel()
        channel.queue_declare(lose, durable=True, arguments={"x-queue-type": "quorum"})
        for name in (queue, lose):
            for number in range(6):
                channel.basic_publish("", name, str(number).encode())

        assert wait_until(lambda: waiting(channel, lose) == 2, DEADLINE_SECONDS)
        assert kept(channel, lose) == [b"4", b"5"]
        ours = kept(channel, queue)
        assert len(ours) >= 2
        assert ours == [str(number).encode() for number in range(len(ours))], "the oldest are there"
        channel.queue_delete(lose)


@pytest.fixture(scope="module")
def gate(servers: Servers) -> Iterator[Gate]:
    with gate_running(servers, "gate_policies") as running:
        api = servers.stack.environment("writer")["WRITEGATE_BROKER_API_URL"]
        running.writers.start(WRITEGATE_BROKER_API_URL=api)
        yield running


def test_the_writer_s_log_its_metric_and_status_name_policy_and_queue(gate: Gate) -> None:
    [writer] = gate.writers.values()

    def figures() -> set[tuple[str, str]]:
        return {
            (sample.labels["queue"], sample.labels["policy"])
            for metric in writer.metrics()
            if metric.name == "writegate_broker_policy"
            for sample in metric.samples
        }

    gate.wait(lambda: bool(writer.state()), "the writer to answer")
    assert figures() == set()
    with policy(gate.servers, gate.name, {"message-ttl": 60_000}):
        gate.wait(lambda: ("writes.trial.0", "theirs") in figures(), "the metric", DEADLINE_SECONDS * 2)
        assert ("writes.trial.dead", "theirs") in figures()
        named = [line for line in writer.log.splitlines() if "broker.policy" in line]
        assert any("theirs" in line and "writes.trial.0" in line and "message-ttl" in line for line in named), named
    gate.wait(lambda: figures() == set(), "the metric to be gone", DEADLINE_SECONDS * 2)
    assert "broker.policy_gone" in writer.log
