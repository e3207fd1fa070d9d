"""Traces: a producer span for each publish call, whose context its messages carry, and a consumer span for each batch.

Spans go where the OpenTelemetry set-up of the process sends them. Names follow the OpenTelemetry semantic conventions,
"Messaging spans" and "RabbitMQ".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager

from opentelemetry import trace
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

from writegate.message.topology import exchange_name

_tracer = trace.get_tracer("writegate")
_propagator = TraceContextTextMapPropagator()


class TraceObserver:
    """An :class:`~writegate.telemetry.Observer` that makes a span for each publish call."""

    def start(self, commands: Mapping[str, int]) -> PublishSpan:
        """Start a span as a child of the caller's current one."""
        destination = exchange_name(next(iter(commands))) if len(commands) == 1 else None
        span = _tracer.start_span(
            f"publish {destination}" if destination else "publish",
            kind=SpanKind.PRODUCER,
            attributes=_attributes("publish", "send", destination, sum(commands.values())),
        )
        return PublishSpan(span)

    def login(self, user: str, *, refused: bool) -> None:
        """Do nothing: it is no part of a call."""


class PublishSpan:
    """The :class:`~writegate.telemetry.Observation` of one publish call."""

    def __init__(self, span: Span) -> None:
        self._span = span
        carrier: dict[str, str] = {}
        _propagator.inject(carrier, trace.set_span_in_context(span))
        self.traceparent = carrier.get("traceparent")

    def end(self, commands: Mapping[tuple[str, str], int], seconds: float, error: BaseException | None) -> None:  # noqa: ARG002  a span measures its own time
        """End the span with the outcomes, or with the error."""
        if error is not None:
            self._span.set_status(Status(StatusCode.ERROR, str(error)))
            self._span.set_attribute("error.type", type(error).__name__)
        else:
            self._span.set_attribute("writegate.outcome", sorted({outcome for _, outcome in commands}))
        self._span.end()


def batch_span(service: str, domain: str, commands: int, traceparents: Iterable[str]) -> AbstractContextManager[Span]:
    """Return a context that makes a span around a batch current; it links to the spans that published the commands."""
    contexts = (_propagator.extract({"traceparent": traceparent}) for traceparent in dict.fromkeys(traceparents))
    links = [Link(trace.get_current_span(context).get_span_context()) for context in contexts]
    destination = exchange_name(service)
    return _tracer.start_as_current_span(
        f"process {destination}",
        kind=SpanKind.CONSUMER,
        links=links,
        attributes={**_attributes("process", "process", destination, commands), "writegate.domain": domain},
    )


def _attributes(name: str, kind: str, destination: str | None, commands: int) -> dict[str, AttributeValue]:
    given: dict[str, AttributeValue] = {
        "messaging.system": "rabbitmq",
        "messaging.operation.name": name,
        "messaging.operation.type": kind,
        "messaging.batch.message_count": commands,
    }
    return given | ({"messaging.destination.name": destination} if destination else {})


OBSERVER = TraceObserver()
