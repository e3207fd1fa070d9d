"""Who may log in: a file of names, roles and argon2 hashes, read again whenever it has changed."""

from __future__ import annotations

import hmac
import json
import os
import re
import secrets
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal, get_args

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from cachetools import TTLCache

from writegate.errors import SettingsError

Role = Literal["reader", "operator"]
ROLES: tuple[Role, ...] = get_args(Role)
MIN_PASSWORD_CHARACTERS = 12  # NIST SP 800-63B asks for at least 8, and for no rules about which characters
MAX_PASSWORD_CHARACTERS = 1024
_REMEMBER_SECONDS = 60.0
_MAX_REMEMBERED = 100

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,99}")
_hasher = PasswordHasher()  # RFC 9106's second recommended option: 64 MiB, three passes


@cache
def _dummy_hash() -> str:
    """Return a hash to verify when there is no such user: how long an answer takes does not show whether they exist."""
    return _hasher.hash(secrets.token_hex(16))


@dataclass(frozen=True, slots=True)
class User:
    """A person's name, and what they may do."""

    name: str
    role: Role

    @property
    def operates(self) -> bool:
        """Whether they may act, not only read."""
        return self.role == "operator"


@dataclass(frozen=True, slots=True)
class _Entry:
    role: Role
    hash: str = field(repr=False)


class Users:
    """The users of a file, for any number of threads.

    ``_lock`` guards what was read and what is remembered. It is not held while a password is verified.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._read_at: tuple[int, int] | None = None
        self._entries: Mapping[str, _Entry] = {}
        self._lock = threading.Lock()
        _dummy_hash()  # made now: the first unknown name must not take longer than others
        self._secret = secrets.token_bytes(32)
        self._remembered: TTLCache[bytes, bool] = TTLCache(_MAX_REMEMBERED, _REMEMBER_SECONDS)

    def check(self, name: str, password: str) -> User | None:
        """Return the user whose password this is. Raises :class:`SettingsError` when the file cannot be read.

        It takes 64 MiB and 0.1 s of a processor: the caller decides how often at once.
        """
        with self._lock:
            entry = self._entry(name)
        try:
            _hasher.verify(entry.hash if entry else _dummy_hash(), password[:MAX_PASSWORD_CHARACTERS])
        except (VerificationError, InvalidHashError):
            return None
        return User(name, entry.role) if entry is not None else None

    def check_again(self, name: str, password: str) -> User | None:
        """Return the user if this password was right within the last minute: programs send it with every request."""
        with self._lock:
            entry = self._entry(name)
            known = self._digest(name, password, entry) in self._remembered
            return User(name, entry.role) if entry is not None and known else None

    def remember(self, name: str, password: str) -> None:
        """Have :meth:`check_again` accept this password for a minute."""
        with self._lock:
            self._remembered[self._digest(name, password, self._entry(name))] = True

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


def add_user(path: Path, name: str, role: Role, password: str) -> None:
    """Add a user, or give an existing one a new role and password. Raises :class:`SettingsError`."""
    if not _NAME.fullmatch(name):
        raise SettingsError(f"{name!r}: expected a name of letters, digits and . _ @ + -, at most 100")
    if len(password) < MIN_PASSWORD_CHARACTERS:
        raise SettingsError(f"a password has at least {MIN_PASSWORD_CHARACTERS} characters")
    _write(path, {**_read_existing(path), name: _Entry(role, _hasher.hash(password[:MAX_PASSWORD_CHARACTERS]))})


def remove_user(path: Path, name: str) -> None:
    """Remove a user. Raises :class:`SettingsError` when there is none."""
    entries = dict(_read_existing(path))
    if entries.pop(name, None) is None:
        raise SettingsError(f"{path} has no user {name!r}: it has {', '.join(entries) or 'none'}")
    _write(path, entries)


def list_users(path: Path) -> list[User]:
    """Return all users, by name."""
    return [User(name, entry.role) for name, entry in sorted(_read_existing(path).items())]


def _read_existing(path: Path) -> Mapping[str, _Entry]:
    return _read(path) if path.exists() else {}


def _read(path: Path) -> Mapping[str, _Entry]:
    try:
        found = {name: _Entry(**entry) for name, entry in json.loads(path.read_text()).items()}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise SettingsError(f"{path} is not a file of users: {error}") from error
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
