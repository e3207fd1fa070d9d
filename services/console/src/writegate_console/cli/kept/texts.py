"""What people read about each action on many kept commands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from writegate_console.gate.kept.actions import Action, KeptName

_CODES = (
    "Interrupted and repeated it does nothing twice. Exit code 0: done; 1: failed, or you said no; 3: some were "
    "skipped, and stay as they are; 4: there was nothing to do."
)


@dataclass(frozen=True, slots=True)
class Texts:
    """The help of a subcommand, and what it says when it is done: writers carry it out in their turn."""

    summary: str
    done: str

    @property
    def help(self) -> str:
        """The whole help."""
        return f"{self.summary}\n\n{_CODES}"


TEXTS: Mapping[tuple[KeptName, Action], Texts] = {
    ("parked", "replay"): Texts(
        "Have parked commands tried again. Each has its place among those of its key that wait.",
        "{:,} handed to their lanes; one that fails again is parked again, see `writegate parked list`",
    ),
    ("parked", "drop"): Texts(
        "Drop parked commands for good. They stay readable, and commands that wait behind them are applied.",
        "{:,} dropped",
    ),
    ("deferred", "replay"): Texts(
        "Have deferred commands tried now. Each is behind those of its key that were deferred before it, and what "
        "stops it, such as a hold, still does.",
        "{:,} are tried now; one that has to wait stays deferred, see `writegate deferred list`",
    ),
    ("deferred", "park"): Texts(
        "Park deferred commands. Commands that wait behind them are applied, and a replay has them tried again.",
        "{:,} are parked by the writers of their lanes, see `writegate parked list`",
    ),
    ("deferred", "drop"): Texts(
        "Drop deferred commands for good. They stay readable among the parked ones, and commands that wait behind them "
        "are applied.",
        "{:,} dropped",
    ),
}
