"""Celery's remote control survives whatever is sent to it."""

from __future__ import annotations

from typing import Any
from unittest.mock import MagicMock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from writegate_writer.worker.mailbox import Mailbox, what_is_wrong

UUID = "01234567-89ab-cdef-0123-456789abcdef"
EXCHANGE = "reply.celery.pidbox"
ASKING = {"exchange": EXCHANGE, "routing_key": UUID}
bodies: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.sampled_from(["ping", "glob", EXCHANGE, UUID]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["method", "reply_to", "exchange", "routing_key", "destination", "pattern", "matcher"]),
            inner,
        )
    ),
    max_leaves=9,
)


def mailbox() -> Mailbox:
    consumer = MagicMock(hostname="writer-1@host")
    consumer.app.control.mailbox.Node.return_value.mailbox.reply_exchange.name = EXCHANGE
    return Mailbox(consumer)


@pytest.mark.parametrize(
    "body",
    [
        {"task_id": UUID, "status": "SUCCESS", "result": None},
        5,
        [],
        None,
        {"method": ["ping"]},
        {"method": "ping", "reply_to": "writes.trial.0"},
        {"method": "ping", "reply_to": {"exchange": "writes.trial", "routing_key": "0"}},
        {"method": "ping", "reply_to": {"exchange": EXCHANGE, "routing_key": "writer-1@host.celery.pidbox"}},
        {"method": "ping", "pattern": "(a*)*b", "matcher": "pcre"},
        {"method": "ping", "matcher": ["glob"]},
    ],
)
def test_what_is_not_a_remote_command_is_not_handled(body: Any) -> None:
    box = mailbox()
    box.on_message(body, MagicMock())
    assert not box.node.handle_message.called


@pytest.mark.parametrize("reply_to", [None, ASKING])
def test_a_remote_command_is_carried_out(reply_to: Any) -> None:
    box, body = mailbox(), {"method": "ping", "arguments": {}, "destination": None, "reply_to": reply_to}
    box.on_message(body, MagicMock())
    assert box.node.handle_message.call_args.args[0] == body


def test_an_error_sets_nothing_up_again() -> None:
    box = mailbox()
    box.node.handle_message.side_effect = ValueError("bad arguments")
    box.on_message({"method": "ping"}, MagicMock())
    assert not box.node.listen.called


@given(bodies)
def test_whatever_comes_it_never_fails(body: Any) -> None:
    mailbox().on_message(body, MagicMock())
    assert what_is_wrong({"method": "ping", "reply_to": ASKING}, EXCHANGE) is None
