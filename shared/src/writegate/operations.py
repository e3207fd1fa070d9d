"""The built-in service ``writegate``: what people do to a gate, as commands that the writer carries out and audits.

So the writer stays the only process with write connections, and an action is as durable, as ordered and as
exactly-once as any other write. What cannot be done is refused in the result, ``{"refused": "why"}``: no action is
parked for it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, ClassVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from writegate.command import Command
from writegate.service import RESERVED_NAMES, Service
from writegate.targets import BUILT_IN

MOST_AT_ONCE = 1000  # parked commands that one action moves: its transaction stays short
MOST_REHEARSED = 100

Text = Annotated[str, StringConstraints(min_length=1, max_length=1000)]


class Operation(Command):
    """What every action tells: ``by`` whom and why."""

    by: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    reason: Text


class Hold(Operation):
    """Stop what ``target`` names, ``until`` then or until it is released. A hold on the same target is replaced."""

    target: Text
    until: AwareDatetime | None = None


class Release(Operation):
    """End a hold, a person's or a writer's."""

    target: Text


class Selection(BaseModel):
    """Which parked commands: all that fit everything that is given.

    ``numbers``: as `writegate parked list` shows them. ``since``, ``before``: of the time they were parked. ``text``:
    anywhere in the body.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    service: str | None = None
    task: str | None = None
    cause: str | None = None
    key: str | None = None
    id: str | None = None
    text: str | None = None
    since: AwareDatetime | None = None
    before: AwareDatetime | None = None
    numbers: tuple[int, ...] | None = Field(default=None, max_length=MOST_AT_ONCE)


class OnParked(Operation):
    """On parked commands, a page at a time: the first ``limit`` of the selection with numbers above ``after``.

    The result is ``{"done": n, "last": number, "skipped": {"why": n}}``: whoever has more to do goes on after ``last``.
    """

    selection: Selection
    after: int = 0
    limit: int = Field(default=MOST_AT_ONCE, ge=1, le=MOST_AT_ONCE)


class Replay(OnParked):
    """Let parked commands be decided again, in the order in which they were parked, ahead of what waits behind them."""


class Drop(OnParked):
    """Give parked commands up for good: they stay readable, and what waits behind them goes on."""


class Rehearse(Operation):
    """Apply parked commands in a transaction that is rolled back, and report in the audit what would come of it."""

    selection: Selection
    limit: int = Field(default=MOST_REHEARSED, ge=1, le=MOST_REHEARSED)


class Edit(Operation):
    """Give a parked command other fields, as JSON. ``was``: the SHA-256 (hexadecimal) of the body one looked at."""

    number: int
    fields: Annotated[str, StringConstraints(min_length=2, max_length=256 * 1024)]
    was: str


class _BuiltIn(Service):
    reserved: ClassVar[frozenset[str]] = RESERVED_NAMES - {BUILT_IN}


operations: Service = _BuiltIn(BUILT_IN, commands=[Hold, Release], retention=timedelta(days=7))
"""The service, as the others are declared."""
