"""Who is logged in: kept in memory, so that logging out ends a session, and a restart ends all of them."""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from writegate_console.users import User

IDLE_SECONDS = 3600.0
MAX_SECONDS = 12 * 3600.0
MAX_SESSIONS = 10_000


@dataclass(slots=True)
class LoginSession:
    """One log-in. ``csrf``: the token in every form of its pages, which no other site can know."""

    user: User
    csrf: str = field(repr=False)
    began_at: float
    used_at: float


class SessionTable:
    """Sessions by a digest of the browser's token, so that tokens cannot be read from this process's memory.

    For any thread: ``_lock`` guards the table and ``used_at`` of its sessions.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._sessions: dict[bytes, LoginSession] = {}
        self._lock = threading.Lock()

    def begin(self, user: User) -> str:
        """Return the token of a new session."""
        token, now = secrets.token_urlsafe(32), self._clock()
        with self._lock:
            if len(self._sessions) >= MAX_SESSIONS:
                self._make_room(now)
            self._sessions[_token_digest(token)] = LoginSession(user, secrets.token_urlsafe(32), now, now)
        return token

    def find(self, token: str | None) -> LoginSession | None:
        """Return the session of a token, None when there is none or it is over."""
        if not token:
            return None
        now = self._clock()
        with self._lock:
            session = self._sessions.get(_token_digest(token))
            if session is None or _is_over(session, now):
                return None
            session.used_at = now
            return session

    def end(self, token: str | None) -> None:
        """End a session."""
        with self._lock:
            self._sessions.pop(_token_digest(token or ""), None)

    def end_all(self) -> None:
        """End all sessions, as a restart does."""
        with self._lock:
            self._sessions.clear()

    def _make_room(self, now: float) -> None:
        """Remove sessions that are over, then those unused for longest. The caller holds the lock."""
        for key in [key for key, session in self._sessions.items() if _is_over(session, now)]:
            del self._sessions[key]
        while len(self._sessions) >= MAX_SESSIONS:
            del self._sessions[min(self._sessions, key=lambda key: self._sessions[key].used_at)]


def _is_over(session: LoginSession, now: float) -> bool:
    return now - session.used_at > IDLE_SECONDS or now - session.began_at > MAX_SECONDS


def _token_digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()
