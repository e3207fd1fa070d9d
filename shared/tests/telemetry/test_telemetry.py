"""The traces and metrics of publishing, made with the libraries that services use for them."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from prometheus_client import REGISTRY

from tests.sample import Deposit, Note, accounts, item
from writegate.config import Settings
from writegate.errors import PublishTimeout, SettingsError, TooLarge
from writegate.message.envelope import MAX_TRACEPARENTS, Item, encode, encode_many, trace_header, traceparents_of
from writegate.telemetry import batch_span_of, observers_of, untraced
from writegate.testing import MemoryBroker

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture(scope="module")
def exporter() -> InMemorySpanExporter:
    """What a service does at its start; it can be done once in a process."""
    made = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(made))
    trace.set_tracer_provider(provider)
    return made


@pytest.fixture
def spans(exporter: InMemorySpanExporter) -> InMemorySpanExporter:
    exporter.clear()
    return exporter


@pytest.fixture
def broker() -> Iterator[MemoryBroker]:
    with MemoryBroker([accounts]) as made:
        yield made


def carried(broker: MemoryBroker) -> list[list[str]]:
    """The trace contexts of each message."""
    return [traceparents_of(message.sent.properties.headers) for message in broker.take()]


def traceparent(span: ReadableSpan) -> str:
    context = span.get_span_context()
    assert context is not None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def test_a_call_is_a_producer_span_whose_context_its_messages_carry(
    broker: MemoryBroker, spans: InMemorySpanExporter
) -> None:
    publisher = broker.publisher(telemetry="opentelemetry")
    with trace.get_tracer("shop").start_as_current_span("request"):
        publisher.publish_many([Deposit(account="a-1", amount=1), Deposit(account="a-2", amount=1), Note(text="x")])
    publish, request = spans.get_finished_spans()
    assert (publish.name, publish.kind) == ("publish writes.accounts", SpanKind.PRODUCER)
    assert publish.parent == request.get_span_context()
    assert dict(publish.attributes or {}) == {
        "messaging.system": "rabbitmq",
        "messaging.operation.name": "publish",
        "messaging.operation.type": "send",
        "messaging.destination.name": "writes.accounts",
        "messaging.batch.message_count": 3,
        "writegate.outcome": ("confirmed",),
    }
    messages = carried(broker)
    assert messages == [[traceparent(publish)]] * len(messages)


def test_a_call_that_fails_says_so(broker: MemoryBroker, spans: InMemorySpanExporter) -> None:
    publisher = broker.publisher(telemetry="opentelemetry")
    with broker.away(), pytest.raises(PublishTimeout):
        publisher.publish(Note(text="x"), timeout=0.1)
    with pytest.raises(TooLarge):
        publisher.publish(Note(text="x" * 300_000))
    late, large = spans.get_finished_spans()
    assert [span.status.status_code for span in (late, large)] == [StatusCode.ERROR] * 2
    assert [(span.attributes or {})["error.type"] for span in (late, large)] == ["PublishTimeout", "TooLarge"]


def test_calls_that_travel_in_one_message_are_all_carried(broker: MemoryBroker, spans: InMemorySpanExporter) -> None:
    publisher = broker.publisher(telemetry="opentelemetry")

    async def together() -> None:
        with broker.blocked():
            calls = [
                asyncio.create_task(publisher.apublish(Deposit(account="a-1", amount=number))) for number in range(1, 9)
            ]
            await asyncio.sleep(0)  # each hands in its command
        await asyncio.gather(*calls)

    asyncio.run(together())
    messages = carried(broker)
    assert len(messages) < 8
    contexts = [context for message in messages for context in message]
    assert contexts == [traceparent(span) for span in spans.get_finished_spans()]


def test_a_batch_links_to_everybody_who_published_it(broker: MemoryBroker, spans: InMemorySpanExporter) -> None:
    publisher = broker.publisher(telemetry="opentelemetry")
    publisher.publish(Deposit(account="a-1", amount=1))
    publisher.publish(Note(text="x"))
    published = spans.get_finished_spans()
    contexts = [context for message in carried(broker) for context in message]
    batch_span = batch_span_of(Settings.load({"WRITEGATE_TELEMETRY": "opentelemetry"}))
    with (
        pytest.raises(ValueError, match="failed"),
        batch_span("accounts", "accounts.0", 2, [*contexts, contexts[0]]),
        trace.get_tracer("handler").start_as_current_span("INSERT"),
    ):
        raise ValueError("failed")
    *_, insert, batch = spans.get_finished_spans()
    assert (batch.name, batch.kind, batch.parent) == ("process writes.accounts", SpanKind.CONSUMER, None)
    assert insert.parent == batch.get_span_context()
    assert batch.status.status_code is StatusCode.ERROR
    assert {link.context.span_id for link in batch.links} == {_span_id(span) for span in published}
    assert (len(batch.links), (batch.attributes or {})["messaging.batch.message_count"]) == (2, 2)


def _span_id(span: ReadableSpan) -> int:
    context = span.get_span_context()
    assert context is not None
    return context.span_id


@pytest.mark.parametrize(
    "value",
    [
        None,
        7,
        "",
        TRACEPARENT.upper(),
        TRACEPARENT + "-more",
        "00-" + "0" * 32 + "-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-" + "0" * 16 + "-01",
        [None, {"a": 1}, "x"],
        {"a": TRACEPARENT},
    ],
)
def test_what_anybody_sends_as_a_trace_context_does_no_harm(value: object) -> None:
    assert traceparents_of({"traceparent": value}) == []


def test_the_header_is_one_context_or_a_limited_list() -> None:
    def traced(number: int) -> Item:
        made = item("k", command_id=f"c-{number}")
        return Item(made.id, made.task, 1, "k", b"{}", f"00-{number + 1:032x}-b7ad6b7169203331-01")

    assert "traceparent" not in encode(item("k")).headers
    assert encode(traced(1)).headers["traceparent"] == traced(1).traceparent
    assert encode_many("m", [traced(1), item("k"), traced(1)]).headers["traceparent"] == traced(1).traceparent
    many = encode_many("m", [traced(number) for number in range(MAX_TRACEPARENTS + 50)]).headers
    assert len(many["traceparent"]) == MAX_TRACEPARENTS
    assert trace_header(traceparents_of(many)) == {"traceparent": many["traceparent"]}


def counted(outcome: str) -> float:
    labels = {"service": "accounts", "outcome": outcome}
    return REGISTRY.get_sample_value("writegate_published_commands_total", labels) or 0.0


def timed() -> float:
    return REGISTRY.get_sample_value("writegate_publish_seconds_count", {"service": "accounts"}) or 0.0


def test_commands_are_counted_by_outcome_and_calls_are_timed(
    broker: MemoryBroker, tmp_path_factory: pytest.TempPathFactory
) -> None:
    publisher = broker.publisher(telemetry="prometheus")
    before = [counted(outcome) for outcome in ("confirmed", "PublishTimeout", "spooled")]
    calls = timed()
    publisher.publish_many([Deposit(account="a-1", amount=1), Note(text="x")])
    with broker.away():
        with pytest.raises(PublishTimeout):
            publisher.publish(Note(text="x"), timeout=0.1)
        directory = str(tmp_path_factory.mktemp("spool"))
        spooling = broker.publisher(telemetry="prometheus", spool_directory=directory)
        assert spooling.publish(Note(text="x")).accepted_by == "spooled"
    after = [counted(outcome) for outcome in ("confirmed", "PublishTimeout", "spooled")]
    assert [now - then for now, then in zip(after, before, strict=True)] == [2, 1, 1]
    assert timed() - calls == 3


def test_a_question_about_a_command_is_no_publishing(broker: MemoryBroker) -> None:
    calls = timed()
    with pytest.raises(Exception, match="no answer about"):
        broker.publisher(telemetry="prometheus").lookup("accounts", "c-1", 0.05)
    assert timed() == calls


def loaded(*names: str) -> Sequence[str]:
    """Which of these packages a process has loaded that publishes with the settings as they are."""
    program = """
import json, sys
from tests.sample import Note, accounts
from writegate.testing import MemoryBroker
with MemoryBroker([accounts]) as broker:
    broker.publisher().publish(Note(text="x"))
print(json.dumps([name for name in sys.argv[1:] if name in sys.modules]))
"""
    done = subprocess.run([sys.executable, "-c", program, *names], capture_output=True, text=True, check=True)
    found: list[str] = json.loads(done.stdout)
    return found


def test_neither_library_is_loaded_when_nobody_asked() -> None:
    assert loaded("opentelemetry", "prometheus_client") == []
    assert observers_of(Settings.load({})) == ()
    assert batch_span_of(Settings.load({})) is untraced


def test_what_is_asked_for_and_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("writegate.telemetry.prometheus", "prometheus_client"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(SettingsError, match=r"names prometheus, and .* not installed: install writegate\[prometheus\]"):
        observers_of(Settings.load({"WRITEGATE_TELEMETRY": "prometheus"}))
    assert Settings.load({"WRITEGATE_TELEMETRY": "prometheus, opentelemetry,"}).telemetry == "prometheus,opentelemetry"
