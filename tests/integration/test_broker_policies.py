"""Policies that somebody sets at the broker: ours lose nothing to them, or they are named wherever people look."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

import pytest
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import NackError

from tests import place as places
from tests.deadlines import patient
from tests.integration.gate import Gate, gate_running
from tests.place import NAME, Place
from tests.servers import Servers

DEADLINE_SECONDS = patient(60)
DEAD, LANE = "writes.beta.dead", "writes.beta.0"
HARMFUL: dict[str, tuple[Any, str, str]] = {
    "message-ttl": (60_000, LANE, "taken out and parked after 60 s"),
    "expires": (3_600_000, LANE, "deleted with all that is in it while nobody consumes it for 3600 s"),
    "delivery-limit": (3, LANE, "parked after 3 lost connections"),
    "overflow": ("drop-head", LANE, "its oldest messages are dropped when it is full"),
}


@pytest.fixture(scope="module")
def applied(bare_servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Two services, applied once for all tests: each takes its policy away, and what it has put into queues."""
    place = places.made(bare_servers, tmp_path_factory.mktemp("applied"))
    place.apply()
    yield place
    places.removed(place)


@contextmanager
def policy(
    servers: Servers, vhost: str, definition: dict[str, Any], kind: str = "policies", apply_to: str = "queues"
) -> Iterator[None]:
    """A policy named "theirs", for as long as the block lasts."""
    body = {"pattern": "^writes", "apply-to": apply_to, "priority": 1, "definition": definition}
    with servers.broker_api() as api:
        api.put(f"/{kind}/{vhost}/theirs", json=body).raise_for_status()
        try:
            yield
        finally:
            api.delete(f"/{kind}/{vhost}/theirs").raise_for_status()


@pytest.mark.parametrize(
    ("kind", "key"),
    [*(("policies", key) for key in HARMFUL), ("operator-policies", "message-ttl"), ("operator-policies", "expires")],
)
def test_what_no_argument_can_win_against_is_named_by_plan_and_apply_fails(applied: Place, kind: str, key: str) -> None:
    value, queue, text = HARMFUL[key]
    with policy(applied.servers, NAME, {key: value}, kind):
        found = applied.plan().refused
        assert {(change.kind, change.name) for change in found} == {("policy", "theirs")}
        assert any(queue in change.detail and text in change.detail for change in found), found
        named = {(change.detail.partition(":")[0], "dropped" in change.detail) for change in found}
        assert any(DEAD in targets for targets, _ in named) == (key != "overflow")
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


def kept(channel: BlockingChannel, queue: str) -> list[str]:
    """What is in a queue, taken out of it."""
    bodies: list[str] = []
    count = waiting(channel, queue)
    for method, _, body in channel.consume(queue, inactivity_timeout=DEADLINE_SECONDS):
        assert method is not None, f"{queue}: expected {count} messages, and only {bodies} came"
        channel.basic_ack(method.delivery_tag)
        bodies.append(body.decode())
        if len(bodies) == count:
            break
    channel.cancel()
    return bodies


@pytest.mark.parametrize("queue", [LANE, DEAD])
def test_a_length_limit_refuses_what_is_new_and_drops_nothing(applied: Place, queue: str) -> None:
    """The control is a queue as dead queues were: without the argument the oldest are dropped."""
    assert kept_under(applied, {"max-length": 2}, queue) == ["0", "1"]
    assert applied.plan().changes == ()


def test_what_is_named_is_true_the_policy_s_overflow_wins_over_the_argument(applied: Place) -> None:
    assert kept_under(applied, {"max-length": 2, "overflow": "drop-head"}, LANE) == ["4", "5"]


def kept_under(place: Place, definition: dict[str, Any], queue: str) -> list[str]:
    """What a queue keeps of six messages under a policy; a queue without arguments of its own keeps the last two."""
    control = "writes_control"
    with policy(place.servers, NAME, definition), closing(place.broker("writegate_owner")) as connection:
        channel = connection.channel()
        channel.queue_declare(control, durable=True, arguments={"x-queue-type": "quorum"})
        channel.confirm_delivery()
        for name in (queue, control):
            for number in range(6):
                with suppress(NackError):
                    channel.basic_publish("", name, str(number).encode())
        assert kept(channel, control) == ["4", "5"]
        found = kept(channel, queue)
        channel.queue_delete(control)
        # A queue that is to refuse notices that it is full a little late.
        return found[: 2 if found[0] == "0" else None]


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
        shown = gate.operator.run("status")
        assert shown.returncode == 2, shown.stdout + shown.stderr
        assert "POLICY theirs of the broker on writes.trial.0: " in shown.stdout
    gate.wait(lambda: figures() == set(), "the metric to be gone", DEADLINE_SECONDS * 2)
    assert "broker.policy_gone" in writer.log


def test_the_writer_s_log_names_its_requests_without_its_password(gate: Gate) -> None:
    [writer] = gate.writers.values()
    gate.wait(lambda: "/api/queues/" in writer.log, "a request in the log")
    assert gate.servers.stack.state.passwords["writegate_writer"] not in writer.log
