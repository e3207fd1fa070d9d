"""When an application that uses Celery may be configured."""

from __future__ import annotations

import pytest
from celery import Celery

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
