"""The one publisher of a process: when it is made, from what, and that a fork makes another."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import writegate
from tests.deadlines import patient
from tests.recorder import Recorder
from tests.sample import Note
from writegate.config import Settings
from writegate.errors import SettingsError
from writegate.publishing import process

# Nobody listens there; a publisher is made all the same.
NOWHERE = "amqp://user:secret@127.0.0.1:1/"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setenv("WRITEGATE_BROKER_URL", NOWHERE)
    monkeypatch.setenv("WRITEGATE_SPOOL_DIRECTORY", str(tmp_path))
    yield
    process.close()
    process.configure()


def test_threads_that_come_first_together_get_one_publisher() -> None:
    with ThreadPoolExecutor(16) as threads:
        made = {id(found) for found in threads.map(lambda _: process.publisher(), range(64))}
    assert made == {id(process.publisher())}


def test_a_missing_setting_is_said_at_first_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WRITEGATE_BROKER_URL")
    with pytest.raises(SettingsError, match="WRITEGATE_BROKER_URL is not set"):
        writegate.publish(Note(text="x"))
    monkeypatch.setenv("WRITEGATE_BROKER_URL", NOWHERE)
    assert process.publisher().user == "user"


def test_it_is_made_from_what_was_configured() -> None:
    process.configure(settings=Settings.model_validate({"broker_url": NOWHERE.replace("user", "shop")}))
    assert process.publisher().user == "shop"


def test_the_environment_wins_over_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    process.configure(defaults={"broker_url": NOWHERE.replace("user", "shop")})
    assert process.publisher().user == "user"
    process.close()
    monkeypatch.delenv("WRITEGATE_BROKER_URL")
    assert process.publisher().user == "shop"


def test_what_is_configured_too_late_is_refused_unless_it_changes_nothing() -> None:
    process.configure(defaults={"publish_waiting": 10})
    process.publisher()
    process.configure(defaults={"publish_waiting": 10})
    with pytest.raises(SettingsError, match="configure it before its first use"):
        process.configure(defaults={"publish_waiting": 11})
    process.close()
    process.configure(defaults={"publish_waiting": 11})


def test_closing_is_harmless_and_the_next_use_makes_another() -> None:
    process.close()
    first = process.publisher()
    process.close()
    process.close()
    assert process.publisher() is not first


def test_every_function_publishes_with_it_and_a_test_may_replace_it() -> None:
    note, own = Note(text="x"), process.publisher()

    async def each() -> None:
        await writegate.apublish(note)
        await writegate.apublish_many([note])

    with process.replace(recorder := Recorder()):
        assert writegate.publisher() is recorder
        writegate.publish(note)
        writegate.publish_many([note])
        asyncio.run(each())
        process.close()
        with process.replace(inner := Recorder()):
            writegate.publish(note)
        assert writegate.publisher() is recorder
    ways = ["publish", "publish_many", "apublish", "apublish_many"]
    assert recorder.calls == [(way, [note]) for way in ways]
    assert len(inner.calls) == 1
    assert process.publisher() is not own, "it was closed, though another one stood in its place"


FORK = """
import os, sys, threading
from writegate.publishing import process

parent = process.publisher()
process._lock().acquire()  # as if another thread were making it just now
child = os.fork()
if child == 0:
    own = process.publisher()
    sys.exit(0 if own is not parent and os.getpid() == own._pid else 1)
process._lock().release()
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert process.publisher() is parent
"""


def test_a_forked_child_makes_its_own() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORK], capture_output=True, text=True, timeout=patient(60), check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "first",
    ["from writegate.publishing import Publisher", "import writegate.publishing.wire", "from writegate import publish"],
)
def test_the_package_s_name_is_the_function_whatever_was_imported_before(first: str) -> None:
    program = (
        f"{first}; from writegate import publish; from writegate.publishing import Publisher; print(publish.__module__)"
    )
    done = subprocess.run([sys.executable, "-c", program], env=os.environ, capture_output=True, text=True, check=True)
    assert done.stdout == "writegate.publishing.process\n"


def test_what_the_package_has_not_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'writegate' has no attribute 'publsih'"):
        writegate.publsih  # type: ignore[attr-defined]  # noqa: B018
