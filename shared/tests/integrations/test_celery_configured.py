"""When an application that uses Celery may be configured."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from celery import Celery, chain, group, signature

from tests.sample import Deposit, accounts
from writegate.errors import DeclarationError
from writegate.integrations.celery import configure, task


def test_an_application_that_has_sent_messages_is_too_late() -> None:
    with Celery("late", broker="memory://") as app:
        app.send_task("something.else")
        with pytest.raises(DeclarationError, match="has sent messages already"):
            configure(app, services=[accounts])
        with pytest.raises(DeclarationError, match="before its first one"):
            task(app, Deposit)


def test_one_that_is_configured_may_take_in_more_commands_later() -> None:
    with Celery("early", broker="memory://") as app:
        configure(app, services=[])
        app.send_task("something.else")
        assert task(app, Deposit).name == "accounts.deposit"


FIELDS = {"account": "a-1", "amount": 3}


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"countdown": 60}, "countdown"),
        ({"eta": datetime(2100, 1, 1, tzinfo=UTC)}, "eta"),
        ({"expires": 60}, "expires"),
        ({"link": signature("accounts.note")}, "link"),
        ({"link_error": [signature("accounts.note")]}, "link_error"),
        ({"group_id": "g-1"}, "group"),
        ({"chord": signature("accounts.note")}, "chord"),
        ({"serializer": "pickle"}, "serializer"),
        ({"serializer": "yaml"}, "serializer"),
        ({"queue": "elsewhere"}, "queue"),
        ({"routing_key": "7"}, "routing_key"),
        ({"priority": 9}, "priority"),
    ],
)
def test_an_option_that_a_write_gate_does_not_take_is_refused_at_the_call(options: dict[str, Any], named: str) -> None:
    with Celery("refusing", broker="memory://") as app:
        configure(app, services=[accounts])
        with pytest.raises(TypeError, match=rf"accounts\.deposit .*leave out {named}\b"):
            app.send_task("accounts.deposit", kwargs=FIELDS, **options)
        # Of other tasks they are the application's own affair.
        if "queue" not in options and "serializer" not in options:
            app.send_task("something.else", kwargs=FIELDS, **options)


def test_members_of_a_group_and_of_a_chain_are_refused() -> None:
    with Celery("canvas", broker="memory://") as app:
        configure(app, services=[accounts])
        deposit = app.signature("accounts.deposit", kwargs=FIELDS)
        for canvas in (group(deposit, deposit, app=app), chain(deposit, deposit, app=app)):
            with pytest.raises(TypeError, match="leave out"):
                canvas.apply_async()


def test_protocol_1_is_refused() -> None:
    with Celery("old", broker="memory://") as app:
        app.conf.task_protocol = 1
        configure(app, services=[accounts])
        with pytest.raises(TypeError, match="task_protocol=1"):
            app.send_task("accounts.deposit", kwargs=FIELDS)


def test_celerys_own_default_serializer_may_be_named() -> None:
    with Celery("named", broker="memory://") as app:
        configure(app, services=[accounts])
        app.send_task("accounts.deposit", kwargs=FIELDS, serializer="json")
