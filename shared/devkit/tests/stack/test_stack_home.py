"""Where a stack keeps its state, and who may have made that directory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from writegate_devkit.stack.errors import StackError
from writegate_devkit.stack.home import Home, create, find_checkout, locate, passable_by_others


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "deploy/rabbitmq").mkdir(parents=True)
    (tmp_path / "deploy/rabbitmq/rabbitmq.conf").touch()
    (tmp_path / "services/flights").mkdir(parents=True)
    return tmp_path


def test_finds_the_checkout_from_anywhere_in_it(checkout: Path) -> None:
    assert find_checkout(checkout / "services/flights") == checkout


def test_says_where_it_looked_for_a_checkout() -> None:
    with pytest.raises(StackError, match="no Writegate checkout at /proc"):
        find_checkout(Path("/proc"))


def test_a_directory_only_its_owner_may_pass_is_not_passable(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    assert passable_by_others(Path("/usr/lib"))
    assert not passable_by_others(closed / "checkout")


@pytest.mark.parametrize(
    "name",
    ["with a space", pytest.param("long" * 20, id="too-long-for-a-socket"), pytest.param("closed/in", id="closed")],
)
def test_keeps_the_state_elsewhere_where_servers_cannot_live(checkout: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "closed").mkdir(mode=0o700)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    home = locate(checkout, tmp_path / name, elsewhere=elsewhere)
    if name == "closed/in" and os.geteuid() != 0:
        assert home.state == tmp_path / name  # the servers run as ourselves
        return
    assert home.state.parent == elsewhere
    create(home)
    assert locate(checkout, tmp_path / name, elsewhere=Path("/not/looked/at")).state == home.state


def test_state_elsewhere_differs_for_each_checkout(checkout: Path, tmp_path: Path) -> None:
    homes = [locate(checkout, tmp_path / name, elsewhere=tmp_path) for name in ("one state", "another state")]
    assert homes[0].state != homes[1].state
    assert homes[0].tag != homes[1].tag


def test_refuses_a_directory_that_was_put_there(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "state").symlink_to(tmp_path / "theirs")
    with pytest.raises(StackError, match="belongs to another user"):
        create(Home(checkout, tmp_path / "named", tmp_path / "state"))


def test_nobody_else_can_look_into_the_state(checkout: Path, tmp_path: Path) -> None:
    home = Home(checkout, tmp_path / "state", tmp_path / "state")
    create(home)
    assert all(directory.stat().st_mode & 0o066 == 0 for directory in (home.state, home.run, home.logs))
