"""Who is logged in: kept in memory, so that logging out ends a session, and a restart all of them."""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from writegate_console.users import User

COOKIE = "writegate-session"
IDLE_SECONDS = 3600.0
LONGEST_SECONDS = 12 * 3600.0
MOST = 10_000


@dataclass(slots=True)
class Session:
    """One log-in. ``csrf``: what every form of its pages carries, and no other site can know."""

    user: User
    csrf: str
    began_at: float
    seen_at: float


class Sessions:
    """Sessions by a digest of what the browser keeps: whoever reads this process's memory dump cannot use them."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._sessions: dict[bytes, Session] = {}
        self._lock = threading.Lock()

    def begin(self, user: User) -> str:
        """Return the token of a new session."""
        token, now = secrets.token_urlsafe(32), self._clock()
        with self._lock:
            if len(self._sessions) >= MOST:
                self._forget(now)
            self._sessions[_digest(token)] = Session(user, secrets.token_urlsafe(32), now, now)
        return token

    def find(self, token: str | None) -> Session | None:
        """Return the session of a token while it lasts."""
        if not token:
            return None
        now = self._clock()
        with self._lock:
            session = self._sessions.get(_digest(token))
            if session is None or _over(session, now):
                return None
            session.seen_at = now
            return session

    def end(self, token: str | None) -> None:
        """End a session."""
        with self._lock:
            self._sessions.pop(_digest(token or ""), None)

    def _forget(self, now: float) -> None:
        for key in [key for key, session in self._sessions.items() if _over(session, now)]:
            del self._sessions[key]
        while len(self._sessions) >= MOST:
            del self._sessions[min(self._sessions, key=lambda key: self._sessions[key].seen_at)]


def _over(session: Session, now: float) -> bool:
    return now - session.seen_at > IDLE_SECONDS or now - session.began_at > LONGEST_SECONDS


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()
