"""Django: publishing after the commit, its settings, and what `manage.py check` finds without a database."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress

import pytest
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import transaction
from django.test import override_settings

from tests.deadlines import patient
from tests.recorder import Recorder
from tests.sample import Note
from writegate import publish_on_commit
from writegate.errors import QueueFull
from writegate.publishing import process

A, B, C, D = (Note(text=letter) for letter in "ABCD")


pytestmark = pytest.mark.usefixtures("django_site")


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    with process.replace(made := Recorder()):
        yield made


def test_it_is_published_after_the_commit_in_order(recorder: Recorder) -> None:
    with transaction.atomic():
        publish_on_commit(A)
        publish_on_commit(B, using="default")
        assert recorder.calls == []
    assert recorder.commands == [A, B]


def test_without_a_transaction_it_is_published_at_once(recorder: Recorder) -> None:
    publish_on_commit(A)
    assert recorder.commands == [A]


def test_what_is_undone_is_not_published_by_savepoint_or_altogether(recorder: Recorder) -> None:
    with transaction.atomic():
        publish_on_commit(A)
        with suppress(ZeroDivisionError), transaction.atomic():
            publish_on_commit(B)
            raise ZeroDivisionError
        with transaction.atomic():
            publish_on_commit(C)
    with suppress(ZeroDivisionError), transaction.atomic():
        publish_on_commit(D)
        raise ZeroDivisionError
    assert recorder.commands == [A, C]


def test_what_fails_after_the_commit_is_logged_and_raised(recorder: Recorder, caplog: pytest.LogCaptureFixture) -> None:
    recorder.error = QueueFull(A.command_id, "full")
    with pytest.raises(QueueFull), transaction.atomic():
        publish_on_commit(A)
    assert f"these may not be published: accounts.note {A.command_id}" in caplog.text


def test_settings_that_cannot_work_are_found_by_check() -> None:
    call_command("check")
    with (
        override_settings(WRITEGATE={"PUBLISH_TIMEOUT_SECONDS": 0}),
        pytest.raises(SystemCheckError, match=r"\(writegate.E001\) WRITEGATE_PUBLISH_TIMEOUT_SECONDS: "),
    ):
        call_command("check")
    with (
        override_settings(WRITEGATE={"BROKER": "amqp://h/"}),
        pytest.raises(SystemCheckError, match="no setting is called BROKER: expected some of BROKER_URL"),
    ):
        call_command("check")


def test_no_settings_are_needed_to_start() -> None:
    with override_settings():
        del settings.WRITEGATE
        call_command("check")


STARTED = """
import json, django
django.setup()
from writegate import publisher
made = publisher()
print(json.dumps([made.user, made._timeout_seconds, made._engine.app_id]))
"""


def test_the_publisher_is_made_from_django_s_settings_under_the_environment() -> None:
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.examples.with_django",
        "WRITEGATE_BROKER_URL": "amqp://user:secret@127.0.0.1:1/",
    }
    done = subprocess.run(
        [sys.executable, "-c", STARTED],
        env=environment,
        capture_output=True,
        text=True,
        timeout=patient(60),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == ["user", 30.0, "with-django"]
