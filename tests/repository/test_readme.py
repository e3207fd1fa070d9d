"""What the README says of settings and files is what is there."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from unittest.mock import Mock

import pytest
from sqlalchemy import create_engine

from tests.recorder import Recorder
from writegate import contract_of
from writegate.config import PREFIX, Settings
from writegate.publishing import process

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def settings_table() -> str:
    """The table of the README, made from the settings themselves."""
    lines = ["| variable | default | meaning |", "| --- | --- | --- |"]
    for name, field in Settings.model_fields.items():
        default = "" if field.default == "" else f"`{field.default}`"
        lines.append(f"| `{PREFIX}{name.upper()}` | {default} | {field.description} |")
    return "\n".join(lines)


def test_settings_table_is_complete() -> None:
    assert settings_table() in README, f"expected this table in README.md:\n{settings_table()}"


def test_every_file_it_links_to_exists() -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)]+)\)", README)
    assert links
    missing = [link for link in links if not (ROOT / link).exists()]
    assert not missing


def section(heading: str) -> str:
    return README.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def snippets(text: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)


@pytest.fixture
def invoices(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The contract that the README declares, as if it were installed, and nobody who publishes it."""
    contract = ModuleType("invoices.contract")
    exec(snippets(section("Add your own queue"))[0], contract.__dict__)
    monkeypatch.setitem(sys.modules, "invoices", ModuleType("invoices"))
    monkeypatch.setitem(sys.modules, "invoices.contract", contract)
    yield
    process.configure()


@pytest.mark.usefixtures("invoices", "django_site")
def test_the_snippets_for_those_who_publish_run() -> None:
    engine = create_engine("sqlite://")
    stock = Mock()
    for number, snippet in enumerate(snippets(section("Publish from your service"))):
        with process.replace(recorder := Recorder()):
            exec(snippet, {"__name__": f"readme_{number}", "engine": engine, "app": stock})
        kinds = {contract_of(command).task for command in recorder.commands}
        assert kinds == ({"invoices.pay_invoice"} if number < 2 else set())
    engine.dispose()
    [call] = stock.send_task.call_args_list
    assert (call.args, call.kwargs["exchange"]) == (("invoices.pay_invoice",), "writes.invoices")
