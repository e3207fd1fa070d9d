"""Every console block of every document runs: those of a page in order, in one shell, against a real gate.

The shell acts as the owner of broker and database until a page says otherwise with `writegate stack env`, which is
answered here with the accounts of that gate. The service of the documents is applied and served by a writer.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.checkout import ROOT
from tests.deadlines import patient
from tests.integration.gate import OPERATOR, READER, WRITER, Gate, gate_running
from tests.repository.documents import Block, Page, ShellCommand, pages
from tests.repository.example_service import NAME, install
from tests.servers import OWNER, Servers

PAGE_SECONDS = patient(240)
FIRST_PARKED = 4711  # the number that the pages use

WITH_CONSOLE = [
    one for one in pages() if any(block.language == "console" and not block.not_run for block in one.blocks)
]

# Which the pages name: an order that was applied, and three commands that are parked, of three keys.
PUBLISHED = """\
from invoices.contract import PayInvoice
from writegate import publish
publish(PayInvoice(invoice="2026-100", cents=100).with_id("order-4711"))
for number in (117, 118, 119):
    publish(PayInvoice(invoice=f"2026-{number}", cents=-1), receipt=True).wait(60)
"""

# `writegate stack env NAME` names the accounts of this gate; everything else is the program itself. No page may wait
# for a key to be pressed.
PRELUDE = """\
exec </dev/null 2>&1
writegate() {
    if [ "$1 $2" = "stack env" ]; then cat "$ACCOUNTS/${3:-owner}"; else command writegate "$@"; fi
}
eval "$(writegate stack env owner)"
"""


@dataclass(frozen=True)
class Desk:
    """Where the commands are typed: a directory of its own, and the settings of each account in files."""

    gate: Gate
    accounts: Path

    def environment(self) -> dict[str, str]:
        outside = {name: value for name, value in os.environ.items() if not name.startswith("WRITEGATE_")}
        return {
            **outside,
            "ACCOUNTS": str(self.accounts),
            "COLUMNS": "120",
            "NO_COLOR": "1",
            "PATH": f"{ROOT / '.venv/bin'}:{os.environ['PATH']}",
            "TERM": "dumb",
        }


@pytest.fixture(scope="module")
def desk(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = install(tmp_path_factory.mktemp("services"))
    accounts = tmp_path_factory.mktemp("accounts")
    with gate_running(servers, "documents", services=folder) as gate:
        for name, settings in _accounts(gate).items():
            text = "".join(f"export {key}={shlex.quote(value)}\n" for key, value in settings.items())
            (accounts / name).write_text(text)
        writer = gate.writers.start(wait=False)
        gate.wait(lambda: NAME in writer.serving(), "the writer serves the service of the documents")
        gate.database.sql(f"SELECT setval(pg_get_serial_sequence('writegate.parked', 'seq'), {FIRST_PARKED}, false)")
        _publish_what_the_pages_name(gate)
        yield Desk(gate, accounts)


def _publish_what_the_pages_name(gate: Gate) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PUBLISHED],
        env=gate.environment(NAME), cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    gate.wait(lambda: gate.database.value("SELECT count(*) FROM writegate.parked") == 3, "three commands are parked")


def _accounts(gate: Gate) -> dict[str, dict[str, str]]:
    """Return what differs from the surroundings, for each account that `writegate stack env` knows on the pages."""

    def own(user: str) -> dict[str, str]:
        settings = gate.environment(user).items()
        return {name: value for name, value in settings if name.startswith(("WRITEGATE_", "PYTHONPATH"))}

    operator = {**own(OPERATOR), **gate.operator.settings()}
    reader = {name: value for name, value in operator.items() if name != "WRITEGATE_BROKER_URL"}
    return {"owner": own(OWNER), "writer": own(WRITER), NAME: own(NAME), "operator": operator, "reader": reader}


@pytest.mark.parametrize("document", WITH_CONSOLE, ids=lambda document: document.name)
def test_console_blocks_run(document: Page, desk: Desk, tmp_path: Path) -> None:
    blocks = [block for block in document.blocks if block.language == "console" and not block.not_run]
    commands = [(block, command) for block in blocks for command in block.commands]
    script = PRELUDE + "".join(
        f'\n{command.text}\nprintf "\\n@@@ {number} %d\\n" $?\n' for number, (_, command) in enumerate(commands)
    )
    done = subprocess.run(
        ["bash", "-c", script], env=desk.environment(), cwd=tmp_path, capture_output=True, text=True,
        timeout=PAGE_SECONDS, check=False,
    )  # fmt: skip
    printed = re.split(r"\n@@@ (\d+) (\d+)\n", done.stdout)
    codes = {int(number): int(code) for number, code in zip(printed[1::3], printed[2::3], strict=True)}
    for number, (block, command) in enumerate(commands):
        text = printed[3 * number] if 3 * number < len(printed) else done.stdout + done.stderr
        last = number + 1 == len(commands) or commands[number + 1][0] is not block
        expected = block.exit_code if last else 0
        assert codes.get(number) == expected, f"{block}: {command.text}: expected exit code {expected}, got {text}"
        _compare(block, command, text)


def _compare(block: Block, command: ShellCommand, text: str) -> None:
    if not command.output:
        return
    parts = [r".*?".join(map(re.escape, line.rstrip().split("…"))) for line in command.output]
    printed = "\n".join(line.rstrip() for line in text.strip("\n").splitlines())
    assert re.fullmatch("\n".join(parts), printed, re.DOTALL), f"{block}: {command.text} printed\n{printed}"


def test_accounts_are_those_that_the_roles_have(desk: Desk) -> None:
    """What a page does as a reader, it does with no more rights than a reader has."""
    reader, operator = ((desk.accounts / name).read_text() for name in ("reader", "operator"))
    assert READER in reader
    assert "WRITEGATE_BROKER_URL" not in reader
    assert OPERATOR in operator
