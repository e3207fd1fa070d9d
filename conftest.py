"""Fixtures for every test: real servers, started once a run and only if a test asks for them."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import django
import pytest
from hypothesis import settings

from tests import guard, scheduling
from tests import place as places
from tests.deadlines import patient
from tests.offline_console import OfflineConsole, offline_console
from tests.place import Place
from tests.servers import Servers, servers_running
from writegate.publishing import process

# pytest keeps the tests with their assertions rewritten, also where PYTHONDONTWRITEBYTECODE is set: each process of a
# run would rewrite all of them anew, which takes 5 s of CPU. Processes that tests start do as they are told.
sys.dont_write_bytecode = False

_EXAMPLES = os.environ.get("EXAMPLES")
# How long one example takes says nothing: other tests share the machine. Without EXAMPLES they are the same ones in
# every run, so that a run that fails says something of what was changed; with EXAMPLES they are others each time.
settings.register_profile(
    "writegate",
    deadline=None,
    print_blob=True,
    derandomize=_EXAMPLES is None,
    max_examples=int(_EXAMPLES or 100),
)
settings.load_profile("writegate")


def pytest_configure() -> None:
    """A run that is ended by TERM ends in order, as one that is interrupted does."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Leave the tests themselves to no garbage collector: they stay until the end, and every process has all of them.

    Looking through them took half of the time of collecting them, and each full collection later began with them.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests into their order. Raises :class:`pytest.UsageError` for a file that belongs to a group."""
    ranks = {path: scheduling.rank(path) for path in {item.path for item in items}}
    items.sort(key=lambda item: ranks[item.path])
    for item in items:
        if isinstance(item, pytest.Function) and "bare_servers" in item.fixturenames:
            file = item.nodeid.partition("::")[0]
            if file not in scheduling.ON_BARE_SERVERS:
                raise pytest.UsageError(f"{file} uses bare_servers: add it to ON_BARE_SERVERS in tests/scheduling.py")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> scheduling.Scheduling | None:
    return scheduling.Scheduling(config, log) if config.getoption("dist") == "loadfile" else None


def pytest_itemcollected(item: pytest.Item) -> None:
    """Multiply the time limit of each test, its own or the one of ``pyproject.toml``, by ``PATIENCE``."""
    own = item.get_closest_marker("timeout")
    seconds = float(own.args[0] if own else item.config.getini("timeout"))
    item.add_marker(pytest.mark.timeout(patient(seconds)), append=False)


@pytest.fixture(scope="session", autouse=True)
def guarded(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What a test starts in its own directory ends with the run, also when the run is killed."""
    guard.watch(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="session", autouse=True)
def state_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test leaves a spool in the home directory of whoever runs it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """A private PostgreSQL and RabbitMQ. A test that creates something gives it names of its own."""
    with servers_running() as running:
        yield running


@pytest.fixture(scope="session")
def bare_servers() -> Iterator[Servers]:
    """Another pair, for tests of ``apply``: roles belong to a whole server, and a fresh apply wants none."""
    with servers_running() as running:
        yield running


@pytest.fixture
def place(bare_servers: Servers, tmp_path: Path) -> Iterator[Place]:
    """Two services and an empty database, to which nothing is applied."""
    made = places.made(bare_servers, tmp_path)
    yield made
    places.removed(made)


@pytest.fixture
def applied(place: Place) -> Place:
    """The same, applied."""
    place.apply()
    return place


@pytest.fixture(scope="session")
def django_site() -> None:
    """The smallest Django project, set up in this process: Django can be, once and for good."""
    with pytest.MonkeyPatch.context() as patch:
        # For this moment only: processes that tests start have settings of their own.
        patch.setenv("DJANGO_SETTINGS_MODULE", "tests.examples.with_django")
        django.setup()
    process.configure()


@pytest.fixture(scope="module")
def shared_console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OfflineConsole]:
    """A console without servers, for all tests of a module: making its users takes long."""
    with offline_console(tmp_path_factory.mktemp("console")) as made:
        yield made


@pytest.fixture
def console(shared_console: OfflineConsole) -> OfflineConsole:
    """The same, without what earlier tests did."""
    shared_console.reset()
    return shared_console
