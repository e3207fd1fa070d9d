"""Every Python block of every document runs: those of a page in order, in one namespace.

What a block names without making it is given to it: `publish` reaches a :class:`~tests.recorder.Recorder`, `engine` is
a database with the tables of the page's service. A `test_…` function that a block defines is called.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import celery
import pytest
from sqlalchemy import Engine

from tests.recorder import Recorder
from tests.repository.documents import Page, page, pages
from tests.repository.example_service import CONTRACT, MIGRATION, NAME, PAGE, WRITES, install, source
from tests.servers import Servers
from tests.tables import migrated, rolled_back
from writegate import contract_of
from writegate.publishing import process
from writegate.testing import MemoryBroker

WITH_PYTHON = [one for one in pages() if any(block.language == "python" for block in one.blocks)]
PUBLISHED = {"README.md", "shared/docs/publish.md"}


@pytest.fixture(autouse=True)
def invoices(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """The service of the documents, installed, and nobody who publishes it."""
    monkeypatch.syspath_prepend(install(tmp_path))
    for name in [name for name in sys.modules if name.partition(".")[0] == NAME]:
        monkeypatch.delitem(sys.modules, name)
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == NAME]:
        del sys.modules[name]
    process.configure()


@pytest.fixture(scope="module")
def engine(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A database with the tables of the service."""
    migrations = tmp_path_factory.mktemp("migrations")
    (migrations / "001_paid.sql").write_text(source(MIGRATION))
    with migrated(servers, "documents", migrations) as made:
        yield made


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Mock:
    """What Celery's own `send_task` was called with."""
    stand_in = Mock()
    monkeypatch.setattr(celery.Celery, "send_task", stand_in)
    return stand_in


@pytest.mark.usefixtures("django_site", "sent")
@pytest.mark.parametrize("document", WITH_PYTHON, ids=lambda document: document.name)
def test_python_blocks_run(document: Page, engine: Engine) -> None:
    recorder = Recorder()
    namespace: dict[str, Any] = {"__name__": "document", "engine": engine}
    for block in document.blocks:
        if block.language != "python" or block.not_run:
            continue
        code = compile("\n" * block.line + block.text, str(block), "exec", dont_inherit=True)
        before = dict(namespace)
        with process.replace(recorder):
            exec(code, namespace)
        for name, made in namespace.items():
            if name.startswith("test_") and before.get(name) is not made:
                _call(made, engine)
    tasks = {contract_of(command).task for command in recorder.commands}
    assert tasks == ({"invoices.pay_invoice"} if document.name in PUBLISHED else set())


def test_a_file_of_the_service_is_the_same_on_every_page() -> None:
    for document in WITH_PYTHON:
        for block in document.blocks:
            if block.path in {CONTRACT, WRITES}:
                assert block.text == source(block.path), f"{block}: another {block.path} than in {PAGE}"


def test_celery_sends_to_the_exchange_of_the_service(sent: Mock) -> None:
    blocks = [block for block in page("shared/docs/frameworks.md").blocks if "send_task(" in block.text]
    exec(blocks[-1].text, {"app": Mock(send_task=sent)})
    [call] = sent.call_args_list
    assert (call.args, call.kwargs["exchange"]) == (("invoices.pay_invoice",), "writes.invoices")


def _call(function: Any, engine: Engine) -> None:
    """Call a test of a page with what it asks for."""
    with ExitStack() as stack:
        given: dict[str, Any] = {}
        for name in inspect.signature(function).parameters:
            if name == "engine":
                given[name] = engine
            elif name == "connection":
                given[name] = stack.enter_context(rolled_back(engine))
            elif name == "writegate_broker":
                given[name] = broker = stack.enter_context(MemoryBroker([import_module(f"{NAME}.contract").invoices]))
                stack.enter_context(process.replace(broker.publisher()))
            else:
                raise AssertionError(f"{function.__name__} asks for {name}: no such fixture is given to documents")
        function(**given)
