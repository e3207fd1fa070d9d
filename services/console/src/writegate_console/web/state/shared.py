"""All that requests share, and how a request finds it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from writegate.config import Settings
from writegate.contract.operations import Operation
from writegate_console.gate.connections.baseline import read_baseline
from writegate_console.gate.history import History, Period, read_history
from writegate_console.gate.overview.queries import read_overview
from writegate_console.gate.reader import Reader
from writegate_console.users import Users
from writegate_console.web.state.cache import TimedCache
from writegate_console.web.state.jobs import JobTable
from writegate_console.web.state.live import LiveOverview
from writegate_console.web.state.passwords import PasswordChecks
from writegate_console.web.state.sessions import SessionTable
from writegate_console.web.state.throttle import LoginThrottle

if TYPE_CHECKING:
    from fastapi import Request

HISTORY_SECONDS = 5.0  # writers sample the metrics every ten


class SendOperation(Protocol):
    """Has an operation carried out, as :meth:`writegate_console.gate.operate.Operator.operate` does."""

    def __call__(self, operation: Operation) -> dict[str, Any]:
        """Return the result."""


@dataclass
class SharedState:
    """What requests share. The fields are set once; each object is for any thread.

    ``secret``: of this process, for form tokens of users who have no session.
    """

    settings: Settings
    operate: SendOperation
    reader: Reader = field(init=False)
    live: LiveOverview = field(init=False)
    users: Users = field(init=False)
    passwords: PasswordChecks = field(init=False)
    jobs: JobTable = field(init=False)
    histories: TimedCache[tuple[Period, str | None], History] = field(init=False)
    sessions: SessionTable = field(default_factory=SessionTable)
    throttle: LoginThrottle = field(default_factory=LoginThrottle)
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    def __post_init__(self) -> None:
        """Make what follows from the settings. Nothing is connected yet. Raises :class:`WritegateError`."""
        settings = self.settings
        reader = self.reader = Reader(settings.database_url)
        baseline = read_baseline(Path(settings.console_baseline)) if settings.console_baseline else None
        self.live = LiveOverview(lambda: read_overview(reader, settings, baseline))
        self.users = Users(Path(settings.console_users) if settings.console_users else None)
        self.passwords = PasswordChecks(self.users.check)
        self.jobs = JobTable(self.operate)
        self.histories = TimedCache(lambda key: read_history(reader, *key), HISTORY_SECONDS)

    def close(self) -> None:
        """Stop reading, which also ends open event streams, then close the connection."""
        self.live.close()
        self.passwords.close()
        self.reader.close()


def shared_state(request: Request) -> SharedState:
    """Return what requests share."""
    state: SharedState = request.app.state.shared
    return state
