"""Where a stack keeps its state.

By default it is ``.writegate/`` in the checkout. Servers cannot always use that directory: when started by root they
run as users of their own, who may lack access to the directories above, and paths of unix sockets are limited to about
a hundred bytes. Then the state goes to a private directory elsewhere, and the named directory holds a pointer to it.
"""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from writegate_devkit.stack.errors import StackError

# sun_path is 108 bytes; the longest name under it is run/.s.PGSQL.65535.lock, or supervisord's own socket while it
# is being made (run/supervisor.sock.<pid>).
LONGEST_STATE_PATH_BYTES = 75
POINTER = "state-directory"
ELSEWHERE = Path("/var/tmp")  # noqa: S108  survives a reboot; `create` checks who made the directory in it


@dataclass(frozen=True)
class Home:
    """The directories of a stack: ``named`` by people, ``state`` where the state is, ``checkout`` its sources."""

    checkout: Path
    named: Path
    state: Path

    @cached_property
    def tag(self) -> str:
        """A short name of this stack, unique on the machine (12 hexadecimal digits)."""
        return _digest(self.named)

    @property
    def run(self) -> Path:
        """The directory of sockets and pid files."""
        return self.state / "run"

    @property
    def logs(self) -> Path:
        """The directory with a log file for each program."""
        return self.state / "logs"


def find_checkout(start: Path) -> Path:
    """Return the checkout that holds ``start``. Raises :class:`StackError` when there is none."""
    for directory in (start, *start.parents):
        if (directory / "deploy/rabbitmq/rabbitmq.conf").is_file() and (directory / "services").is_dir():
            return directory
    raise StackError(
        f"no Writegate checkout at {start} or above it: change to one, its services/ and deploy/ are needed"
    )


def locate(checkout: Path, named: Path | None = None, *, elsewhere: Path = ELSEWHERE) -> Home:
    """Return the home of the stack with the directory ``named`` (default: ``.writegate`` in the checkout)."""
    named = (named or checkout / ".writegate").absolute()
    pointer = named / POINTER
    if pointer.is_file():
        return Home(checkout, named, Path(pointer.read_text().strip()))
    usable = len(os.fsencode(named)) <= LONGEST_STATE_PATH_BYTES and " " not in str(named)
    if usable and os.geteuid() == 0:
        usable = passable_by_others(named.parent)
    return Home(checkout, named, named if usable else elsewhere / f"writegate-{os.geteuid()}-{_digest(named)}")


def create(home: Home) -> None:
    """Create the directories, private to the current user. Raises :class:`StackError` if another user owns one."""
    # Servers that run as other users must pass through without listing; their directories and all secrets are closed.
    mode = 0o711 if os.geteuid() == 0 else 0o700
    home.named.mkdir(parents=True, exist_ok=True)
    for directory in (home.state, home.run, home.logs):
        directory.mkdir(mode=mode, exist_ok=True)
        # In a directory that is open to all, another user could have created one of this name first.
        if directory.is_symlink() or directory.stat().st_uid != os.geteuid():
            raise StackError(f"{directory} belongs to another user: remove it, or name another one with --state")
        directory.chmod(mode)
    if home.state != home.named:
        (home.named / POINTER).write_text(f"{home.state}\n")


def passable_by_others(directory: Path) -> bool:
    """Whether any user may pass through ``directory`` and all above it."""
    existing = [path for path in (directory, *directory.parents) if path.exists()]
    return all(path.stat().st_mode & stat.S_IXOTH for path in existing)


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]
