"""A writer's spans: one for each batch, which leads to everybody who published what is in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.gate import PATIENCE_SECONDS, Gate, gate_running
from tests.integration.gate_broker import send
from tests.integration.writer_processes import WriterProcess
from tests.servers import Servers
from tests.services.trial.contract import Deposit, trial
from writegate.contract.lanes import lane_of
from writegate.message.envelope import Item, encode, item_of, trace_header
from writegate.message.topology import queue_name
from writegate_devkit.stack.readiness import wait_until


@pytest.fixture(scope="module")
def gate(servers: Servers) -> Iterator[Gate]:
    with gate_running(servers, "gate_traces") as running:
        yield running


def traced(item: Item, number: int) -> tuple[Item, str]:
    context = f"00-{number:032x}-{number:016x}-01"
    return Item(item.id, item.task, item.version, item.key, item.fields, context), context


def batches(writer: WriterProcess) -> list[dict[str, Any]]:
    """The spans that the writer has sent, as its exporter writes them."""
    lines = (line for line in writer.log.splitlines() if line.startswith('{"name": "process writes.trial"'))
    return [json.loads(line) for line in lines]


def linked(spans: list[dict[str, Any]]) -> set[str]:
    found = (link["context"] for span in spans for link in span["links"])
    return {f"00-{one['trace_id'].removeprefix('0x')}-{one['span_id'].removeprefix('0x')}-01" for one in found}


def test_a_batch_links_to_every_publisher_and_survives_what_is_no_context(gate: Gate) -> None:
    account = "a-1"
    lane = lane_of(account, trial.lanes)
    queue = queue_name("trial", lane)
    items = [item_of(Deposit(account=account, seq=seq)) for seq in range(9)]
    contexts = set()
    with gate.broker.channel() as channel:
        for number, one in enumerate(items[:6], 1):
            given, context = traced(one, number)
            contexts.add(context)
            send(channel, queue, encode(given))
        # In the wrong lane: forwarded, and its context with it.
        given, context = traced(items[6], 7)
        contexts.add(context)
        send(channel, queue_name("trial", 1 - lane), encode(given))
        for one, hostile in zip(items[7:], ({"traceparent": [{"a": 1}, None]}, trace_header(["x"])), strict=True):
            message = encode(one)
            message.headers.update(hostile)
            send(channel, queue, message)
    writer = gate.writers.start(altered="traced", writegate_telemetry="opentelemetry")
    gate.database.wait_entries(account, len(items))
    assert wait_until(lambda: linked(batches(writer)) == contexts, PATIENCE_SECONDS), linked(batches(writer))
    spans = batches(writer)
    assert sum(span["attributes"]["messaging.batch.message_count"] for span in spans) == len(items)
    assert {span["kind"] for span in spans} == {"SpanKind.CONSUMER"}
    assert {span["attributes"]["writegate.domain"] for span in spans} == {"trial"}
    gate.assert_drained()
