"""Who may log in: a file of names, roles and argon2 hashes, read again whenever it changed."""

from __future__ import annotations

import hmac
import json
import os
import re
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from writegate.errors import SettingsError

Role = Literal["reader", "operator"]
ROLES: tuple[Role, ...] = get_args(Role)
SHORTEST_PASSWORD = 12  # NIST SP 800-63B asks for 8 at least, and for no rules about what is in it
LONGEST_PASSWORD = 1024
_REMEMBER_SECONDS = 60.0
_MOST_REMEMBERED = 100

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,99}")
_hasher = PasswordHasher()  # RFC 9106's second recommended option: 64 MiB, three passes
# Checked when there is no such user: how long it takes must not tell.
_NOBODY = _hasher.hash(secrets.token_hex(16))


@dataclass(frozen=True, slots=True)
class User:
    """Who somebody is, and what he may do."""

    name: str
    role: Role

    @property
    def operates(self) -> bool:
        """Whether he may act."""
        return self.role == "operator"


@dataclass(frozen=True, slots=True)
class _Entry:
    role: Role
    hash: str


class Users:
    """The users of a file. One password is checked at a time: each takes 64 MiB and some 0.1 s."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._read_at: tuple[int, int] | None = None
        self._entries: Mapping[str, _Entry] = {}
        self._lock = threading.Lock()
        self._hashing = threading.Lock()
        self._secret = secrets.token_bytes(32)
        self._remembered: dict[bytes, float] = {}

    def check(self, name: str, password: str) -> User | None:
        """Return the user whose password this is. Raises :class:`SettingsError` when the file cannot be read."""
        with self._lock:
            entry = self._entry(name)
        # By another lock: nobody who is logged in waits for those who guess.
        with self._hashing:
            try:
                _hasher.verify(entry.hash if entry else _NOBODY, password[:LONGEST_PASSWORD])
            except (VerificationError, InvalidHashError):
                return None
        return User(name, entry.role) if entry is not None else None

    def check_again(self, name: str, password: str) -> User | None:
        """Return the user if this was right a minute ago: programs send their password with every request."""
        with self._lock:
            entry = self._entry(name)
            until = self._remembered.get(self._digest(name, password, entry), 0.0)
            return User(name, entry.role) if entry is not None and until > time.monotonic() else None

    def remember(self, name: str, password: str) -> None:
        """Let :meth:`check_again` know that this was right."""
        with self._lock:
            if len(self._remembered) >= _MOST_REMEMBERED:
                self._remembered.clear()
            self._remembered[self._digest(name, password, self._entry(name))] = time.monotonic() + _REMEMBER_SECONDS

    def _digest(self, name: str, password: str, entry: _Entry | None) -> bytes:
        text = json.dumps([name, password, entry.hash if entry else ""])
        return hmac.digest(self._secret, text.encode(errors="surrogatepass"), "sha256")

    def role(self, name: str) -> Role | None:
        """Return a user's role now, None when there is no such user any more."""
        with self._lock:
            entry = self._entry(name)
            return entry.role if entry else None

    def _entry(self, name: str) -> _Entry | None:
        if self._path is None:
            return None
        try:
            stat = self._path.stat()
        except FileNotFoundError:
            return None
        if self._read_at != (stat.st_mtime_ns, stat.st_ino):
            self._entries = _read(self._path)
            self._read_at = (stat.st_mtime_ns, stat.st_ino)
        return self._entries.get(name)


def add(path: Path, name: str, role: Role, password: str) -> None:
    """Add a user, or give one another role and password. Raises :class:`SettingsError`."""
    if not _NAME.fullmatch(name):
        raise SettingsError(f"{name!r}: expected a name of letters, digits and . _ @ + -, at most 100")
    if len(password) < SHORTEST_PASSWORD:
        raise SettingsError(f"a password has at least {SHORTEST_PASSWORD} characters")
    _write(path, {**_read_if_there(path), name: _Entry(role, _hasher.hash(password[:LONGEST_PASSWORD]))})


def remove(path: Path, name: str) -> None:
    """Remove a user. Raises :class:`SettingsError` when there is none."""
    entries = dict(_read_if_there(path))
    if entries.pop(name, None) is None:
        raise SettingsError(f"{path} has no user {name!r}: it has {', '.join(entries) or 'none'}")
    _write(path, entries)


def listed(path: Path) -> list[User]:
    """Return all users."""
    return [User(name, entry.role) for name, entry in sorted(_read_if_there(path).items())]


def _read_if_there(path: Path) -> Mapping[str, _Entry]:
    return _read(path) if path.exists() else {}


def _read(path: Path) -> Mapping[str, _Entry]:
    try:
        found = {name: _Entry(**entry) for name, entry in json.loads(path.read_text()).items()}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise SettingsError(f"{path} is no file of users: {error}") from error
    for name, entry in found.items():
        if entry.role not in ROLES:
            raise SettingsError(f"{path}: {name} has the role {entry.role!r}: expected {' or '.join(ROLES)}")
    return found


def _write(path: Path, entries: Mapping[str, _Entry]) -> None:
    text = json.dumps({name: asdict(entry) for name, entry in sorted(entries.items())}, indent=2)
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text + "\n")
    new.replace(path)
