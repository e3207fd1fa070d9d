"""The file of users."""

from __future__ import annotations

from pathlib import Path

import pytest

from writegate.errors import SettingsError
from writegate_console import users


def test_users_are_kept_as_hashes_and_read_again_when_they_change(tmp_path: Path) -> None:
    path = tmp_path / "users.json"
    users.add_user(path, "ann", "operator", "a long password")
    assert "a long password" not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    known = users.Users(path)
    assert known.check("ann", "a long password") == users.User("ann", "operator")
    assert known.check("ann", "another password") is None
    assert known.check("bob", "a long password") is None
    users.add_user(path, "ann", "reader", "another password")
    assert known.check("ann", "another password") == users.User("ann", "reader")
    users.remove_user(path, "ann")
    assert known.role("ann") is None
    with pytest.raises(SettingsError, match="12 characters"):
        users.add_user(path, "ann", "reader", "short")
    path.write_text("[]")
    with pytest.raises(SettingsError, match="not a file of users"):
        users.list_users(path)


def test_a_password_is_remembered_until_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "users.json"
    users.add_user(path, "ann", "reader", "a long password")
    known = users.Users(path)
    assert known.check_again("ann", "a long password") is None
    known.remember("ann", "a long password")
    assert known.check_again("ann", "a long password") == users.User("ann", "reader")
    assert known.check_again("ann", "a wrong password") is None
    users.add_user(path, "ann", "reader", "another password")
    assert known.check_again("ann", "a long password") is None
