"""What the library logs, as a service sees it that renders the standard library's records with structlog."""

from __future__ import annotations

from dataclasses import replace

import pytest
import structlog

from tests.deadlines import patient
from tests.sample import Note, accounts
from writegate.message.envelope import item_of
from writegate.message.topology import route_of
from writegate.testing import MemoryBroker


def test_a_record_has_an_event_and_its_figures_as_fields(caplog: pytest.LogCaptureFixture) -> None:
    item = replace(item_of(Note(text="x")), id="x" * 300)  # AMQP has no room for such an id
    with MemoryBroker([accounts]) as broker:
        sent = broker.publisher().forward([(route_of(accounts.name, None, accounts.lanes), item)], {})
        assert sent.exception(patient(60)) is not None
    (record,) = (one for one in caplog.records if one.name.startswith("writegate."))
    assert record.getMessage() == "a message cannot be sent"
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.ExtraAdder(), structlog.stdlib.add_logger_name],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(key_order=["event", "logger"]),
        ],
    )
    assert formatter.format(record).startswith("event='publisher.cannot_send' logger='writegate.publishing.engine'")
