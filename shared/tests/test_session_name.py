"""Names of connections, as a person reads them in pg_stat_activity."""

from __future__ import annotations

import getpass
import os
import sys
from typing import NoReturn

import pytest

from writegate.session_name import MOST_CHARACTERS, command_name, login_name, session_name

POD = "writegate-writer-6d5f7c9b8-abcde"


def test_program_user_host_and_process_are_in_it() -> None:
    name = session_name("writegate status")
    assert name.startswith(f"writegate status {login_name()}@")
    assert name.endswith(f"/{os.getpid()}")


def test_a_long_host_loses_its_middle_and_the_process_stays() -> None:
    name = session_name("writegate-writer.0", f"{POD}@{POD}.cluster.local/1-1795877759")
    assert len(name) == MOST_CHARACTERS
    assert name.startswith(f"writegate-writer.0 {POD[:20]}")
    assert name.endswith("../1-1795877759")


def test_what_is_not_ascii_is_replaced_as_the_server_does() -> None:
    assert session_name("writegate", "zoë@höst/1") == "writegate zo?@h?st/1"


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["/usr/bin/writegate", "plan", "--json"], "writegate plan"),
        (["/x/writegate/__main__.py", "status"], "writegate status"),
        (["/usr/bin/writegate", "--help"], "writegate"),
        (["/usr/bin/uvicorn", "app"], "writegate"),
    ],
)
def test_a_command_is_called_by_its_name(arguments: list[str], name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", arguments)
    assert command_name() == name


def test_a_user_without_a_name_is_their_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> NoReturn:
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.setattr(getpass, "getuser", fail)
    assert login_name() == f"uid-{os.getuid()}"
