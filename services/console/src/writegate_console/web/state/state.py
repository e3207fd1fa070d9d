"""All that requests share."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from writegate.config import Settings
from writegate.contract.operations import Operation
from writegate_console.gate.connections.counts import Counters
from writegate_console.gate.history import History, Period, history
from writegate_console.gate.overview import baseline_of, overview
from writegate_console.gate.reader import Reader
from writegate_console.users import Users
from writegate_console.web.security.proxies import Proxies
from writegate_console.web.security.sessions import Sessions
from writegate_console.web.security.throttle import Throttle
from writegate_console.web.state.cache import Kept
from writegate_console.web.state.jobs import Jobs
from writegate_console.web.state.live import Live

if TYPE_CHECKING:
    from fastapi import Request

HISTORY_SECONDS = 5.0  # figures are sampled every ten


class Operate(Protocol):
    """Has an operation carried out, as :meth:`writegate_console.gate.operate.Operator.operate` does."""

    def __call__(self, operation: Operation) -> dict[str, Any]:
        """Return the result."""


@dataclass
class State:
    """What requests share. ``secret``: of this process, for tokens that need no session."""

    settings: Settings
    operate: Operate
    reader: Reader = field(init=False)
    live: Live = field(init=False)
    users: Users = field(init=False)
    proxies: Proxies = field(init=False)
    baseline: Counters | None = field(init=False)
    jobs: Jobs = field(init=False)
    histories: Kept[tuple[Period, str | None], History] = field(init=False)
    sessions: Sessions = field(default_factory=Sessions)
    throttle: Throttle = field(default_factory=Throttle)
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32))

    def __post_init__(self) -> None:
        """Make what follows from the settings. Nothing is connected yet."""
        settings = self.settings
        self.reader = Reader(settings.database_url)
        self.baseline = baseline_of(settings)
        self.live = Live(lambda: overview(self.reader, settings, self.baseline))
        self.users = Users(Path(settings.console_users) if settings.console_users else None)
        self.proxies = Proxies(settings)
        self.jobs = Jobs(self.operate)
        self.histories = Kept(lambda key: history(self.reader, *key), HISTORY_SECONDS)

    def close(self) -> None:
        """Let go of everything."""
        self.live.close()
        self.reader.close()


def state_of(request: Request) -> State:
    """Return what requests share."""
    state: State = request.app.state.shared
    return state
