"""`writegate console user`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from writegate_console import users
from writegate_console.users import User

PASSWORD = "correct horse battery"


def test_users_are_added_listed_and_removed_on_the_command_line(tmp_path: Path) -> None:
    path, secret = tmp_path / "users.json", tmp_path / "secret"
    secret.write_text(PASSWORD + "\n")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "writegate", "console", "user", *arguments]
        environment = {"WRITEGATE_CONSOLE_USERS": str(path)}
        return subprocess.run(command, env=environment, input="short\n", capture_output=True, text=True, check=False)

    assert run("add", "ann", "--role", "operator", "--password-file", str(secret)).returncode == 0
    assert users.Users(path).check("ann", PASSWORD) == User("ann", "operator")
    refused = run("add", "bob")
    assert (refused.returncode, "at least 12 characters" in refused.stderr) == (1, True)
    assert json.loads(run("list", "--json").stdout) == [{"name": "ann", "role": "operator"}]
    assert run("remove", "ann").returncode == 0
    assert (run("remove", "ann").returncode, path.read_text()) == (1, "{}\n")
