"""What the rights that ``apply`` gives allow, and what they forbid."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

import psycopg2
import pytest
from pika.adapters.blocking_connection import BlockingChannel as Channel
from pika.exceptions import ChannelClosedByBroker
from psycopg2 import errors

from tests.deadlines import patient
from tests.place import CONNECTIONS, Place


def test_a_service_may_publish_to_its_own_exchange_and_do_nothing_else(applied: Place) -> None:
    applied.publish("alpha", "writes.alpha", "1")
    refused: list[Callable[[Channel], object]] = [
        lambda channel: channel.basic_publish("writes.beta", "0", b"", mandatory=True),
        lambda channel: channel.basic_publish("", "writes.beta.0", b"", mandatory=True),
        lambda channel: channel.basic_publish("", "writes.alpha.0", b"", mandatory=True),
        lambda channel: channel.basic_publish("writes.dead", "alpha", b"", mandatory=True),
        lambda channel: channel.basic_publish("amq.topic", "x", b"", mandatory=True),
        lambda channel: channel.basic_consume("writes.alpha.0", lambda *_: None),
        lambda channel: channel.queue_purge("writes.alpha.0"),
        lambda channel: channel.queue_declare("own"),
        lambda channel: channel.exchange_declare("own"),
        lambda channel: channel.queue_bind("writes.alpha.0", "writes.alpha", "2"),
    ]
    with closing(applied.broker("alpha")) as connection:
        for attempt in refused:
            channel = connection.channel()
            channel.confirm_delivery()
            with pytest.raises(ChannelClosedByBroker) as raised:
                attempt(channel)
            assert raised.value.reply_code == 403


def test_the_writer_consumes_lanes_forwards_and_replies_but_declares_none(applied: Place) -> None:
    applied.publish("writegate_writer", "writes.beta", "0")
    with closing(applied.broker("writegate_writer")) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        method, _, body = next(channel.consume("writes.beta.0", inactivity_timeout=patient(10)))
        assert (method is not None, body) == (True, b"{}")
        channel.queue_declare("writer-1@host.celery.pidbox", auto_delete=True)
        channel.exchange_declare("celery.pidbox", "fanout")
        channel.queue_bind("writer-1@host.celery.pidbox", "celery.pidbox")
        channel.basic_publish("", "writer-1@host.celery.pidbox", b"a reply", mandatory=True)
        refused: list[Callable[[Channel], object]] = [
            lambda channel: channel.queue_declare("writes.beta.9"),
            lambda channel: channel.queue_delete("writes.beta.0"),
            lambda channel: channel.exchange_declare("own"),
        ]
        for attempt in refused:
            with pytest.raises(ChannelClosedByBroker) as raised:
                attempt(connection.channel())
            assert raised.value.reply_code == 403


def test_a_service_role_writes_its_own_tables_and_nothing_else(applied: Place) -> None:
    applied.sql(
        "set local role writegate_service_alpha; insert into alpha.item (text) values ('x')", "writegate_writer"
    )
    for statement in (
        "set local role writegate_service_alpha; select * from beta.item",
        "set local role writegate_service_alpha; insert into beta.item values (1)",
        "set local role writegate_service_alpha; select * from writegate.ledger",
        "set local role writegate_service_alpha; select writegate.fence('alpha', 0, '1 s')",
        "set local role writegate_service_alpha; truncate alpha.item",
        "set local role writegate_service_alpha; create table alpha.more (id int)",
        "set local role writegate_service_alpha; create table public.more (id int)",
        "insert into alpha.item (text) values ('the writer itself inherits nothing')",
        "delete from writegate.ledger",
        "select * from pg_authid",
    ):
        with pytest.raises(errors.InsufficientPrivilege):
            applied.sql(statement, "writegate_writer")


def test_the_reader_reads_and_writes_nothing(applied: Place) -> None:
    applied.sql("select * from alpha.item, writegate.ledger, writegate.parked", "writegate_reader")
    assert applied.sql("select pg_has_role('writegate_reader', 'pg_monitor', 'usage')") == [(True,)]
    with pytest.raises(errors.InsufficientPrivilege):
        applied.sql("delete from alpha.item", "writegate_reader")


def test_the_connection_budget_is_enforced_by_the_server(applied: Place) -> None:
    held = [applied.login("writegate_writer") for _ in range(CONNECTIONS)]
    try:
        with pytest.raises(psycopg2.OperationalError, match="too many connections for role"):
            applied.login("writegate_writer")
        # A plan checks the password in spite of it: the budget is asked for only after the password was right.
        assert applied.plan().changes == ()
    finally:
        for connection in held:
            connection.close()
