"""The charts of the whole gate and of one service."""

from __future__ import annotations

from writegate_console.gate.history import Period
from writegate_console.web.state.shared import Place, SharedState
from writegate_console.web.views.chart import Chart, draw


def charts_of(state: SharedState, place: Place, period: Period, service: str | None = None) -> list[Chart]:
    """Return the charts of the gate, or of one service. Raises :class:`WritegateError` without a database."""
    history = place.histories.get((period, service))
    waiting = [("parked_commands", "parked"), ("deferred_commands", "deferred")]
    found = [
        draw("Commands", "a second", [("commands_per_second", "commands")], history),
        draw("Commits", "a second", [("commits_per_second", "commits")], history),
        draw("Parked and deferred", "commands", waiting, history),
    ]
    if service is None:
        overview = state.live.latest().overview
        limit = float(overview.headline.budget) if overview is not None and overview.headline.budget > 0 else None
        connections = [("server_connections", "all"), ("writer_connections", "writers")]
        found.insert(2, draw("Connections", "open", connections, history, limit))
    return found
