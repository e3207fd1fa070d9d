"""The command line without the distributions that other commands come from."""

from __future__ import annotations

import pytest

from writegate.cli import main
from writegate.errors import WritegateError


@pytest.mark.parametrize("command", ["stack", "service"])
def test_a_command_of_the_devkit_names_it_where_it_is_not_installed(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(main, "entry_points", lambda **_: ())  # as in an installation of the library alone
    with pytest.raises(WritegateError, match=f"`{command}` is a command of writegate-devkit, .*: install"):
        main.app([command])
