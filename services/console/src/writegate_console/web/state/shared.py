"""All that requests share, and how a request finds it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from writegate.config import Settings
from writegate.contract.operations import Operation
from writegate_console.gate.connections.baseline import read_baseline
from writegate_console.gate.history import History, Period, read_history
from writegate_console.gate.overview.queries import read_overview
from writegate_console.gate.reader import Reader
from writegate_console.users import ROLES, Role, Users
from writegate_console.web.state.cache import TimedCache
from writegate_console.web.state.jobs import JobTable
from writegate_console.web.state.live import LiveOverview
from writegate_console.web.state.passwords import PasswordChecks
from writegate_console.web.state.sessions import SessionTable
from writegate_console.web.state.streams import OpenStreams
from writegate_console.web.state.throttle import LoginThrottle

if TYPE_CHECKING:
    from fastapi import Request

HISTORY_SECONDS = 5.0  # writers sample the metrics every ten


class SendOperation(Protocol):
    """Has an operation carried out, as :meth:`writegate_console.gate.operate.Operator.operate` does."""

    def __call__(self, operation: Operation) -> dict[str, Any]:
        """Return the result."""


class Place:
    """Where the requests of one role read: a slow search of readers delays no operator, and no overview."""

    def __init__(self, settings: Settings) -> None:
        self.reader = Reader(settings.database_url)
        self.histories: TimedCache[tuple[Period, str | None], History] = TimedCache(
            lambda key: read_history(self.reader, *key), HISTORY_SECONDS
        )


@dataclass
class SharedState:
    """What requests share. The fields are set once; each object is for any thread, unless it says otherwise.

    ``secret``: of this process, for form tokens of users who have no session.
    """

    settings: Settings
    operate: SendOperation
    live: LiveOverview = field(init=False)
    users: Users = field(init=False)
    passwords: PasswordChecks = field(init=False)
    jobs: JobTable = field(init=False)
    places: Mapping[Role, Place] = field(init=False)
    sessions: SessionTable = field(default_factory=SessionTable)
    throttle: LoginThrottle = field(default_factory=LoginThrottle)
    streams: OpenStreams = field(default_factory=OpenStreams)
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    def __post_init__(self) -> None:
        """Make what follows from the settings. Nothing is connected yet. Raises :class:`WritegateError`."""
        settings = self.settings
        reader = self._overview_reader = Reader(settings.database_url)
        self.places = {role: Place(settings) for role in ROLES}
        baseline = read_baseline(Path(settings.console_baseline)) if settings.console_baseline else None
        self.live = LiveOverview(lambda: read_overview(reader, settings, baseline))
        self.users = Users(Path(settings.console_users) if settings.console_users else None)
        self.passwords = PasswordChecks(self.users.check)
        self.jobs = JobTable(self.operate)

    def close(self) -> None:
        """Stop reading, which also ends open event streams, then close the connections."""
        self.live.close()
        self.passwords.close()
        for reader in self.readers:
            reader.close()

    @property
    def readers(self) -> tuple[Reader, ...]:
        """The connections to the database: one for the overview, and one for each role."""
        return (self._overview_reader, *(place.reader for place in self.places.values()))


def shared_state(request: Request) -> SharedState:
    """Return what requests share."""
    state: SharedState = request.app.state.shared
    return state


def place_of(request: Request) -> Place:
    """Return where a request reads. A request whose sender is not known yet reads with readers."""
    role: Role = getattr(request.state, "role", "reader")
    return shared_state(request).places[role]
