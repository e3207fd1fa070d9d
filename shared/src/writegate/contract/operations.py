"""The built-in service ``writegate``: what people do to a gate, as commands that the writer carries out and audits.

So the writer stays the only process with write connections, and an action is as durable, as ordered and as
exactly-once as any other write. What cannot be done is refused in the result, ``{"refused": "why"}``: no action is
parked for it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, ClassVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from writegate.contract.command import Command
from writegate.contract.service import RESERVED_NAMES, Service
from writegate.contract.targets import BUILT_IN

MOST_AT_ONCE = 1000  # parked commands that one action moves: its transaction stays short
MOST_IN_DRY_RUN = 100
_SHORT_CHARACTERS = 100

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

    def sql(self) -> tuple[str, dict[str, Any]]:
        """Return a condition on rows of ``writegate.parked`` and its parameters, as psycopg2 takes them.

        Whoever reads sees by it what the writer would act on.
        """
        given = {name: value for name, value in self if value is not None}
        parameters = {name: list(value) if name == "numbers" else value for name, value in given.items()}
        return " AND ".join(["true", *(_CONDITIONS[name] for name in given)]), parameters

    def __str__(self) -> str:
        """Return it in words, for people and for the audit."""
        given = self.model_dump(mode="json", exclude_none=True)
        return " ".join(f"{name}={_short(value)}" for name, value in given.items()) or "all"


_CONDITIONS = {
    "service": "service = %(service)s",
    "task": "task = %(task)s",
    "cause": "cause = %(cause)s",
    "key": "key = %(key)s",
    "id": "id = %(id)s",
    "text": "position(convert_to(%(text)s, 'UTF8') IN raw) > 0",
    "since": "parked_at >= %(since)s",
    "before": "parked_at < %(before)s",
    "numbers": "seq = ANY(%(numbers)s)",
}


def _short(value: Any) -> str:
    text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= _SHORT_CHARACTERS else text[:_SHORT_CHARACTERS] + "…"


class OnParked(Operation):
    """On parked commands, a page at a time: the first ``limit`` of the selection with numbers above ``after``.

    ``up_to``: the highest number, so that what is parked meanwhile is not met again and again. The result is
    ``{"done": n, "last": number, "skipped": {"why": n}}``: whoever has more to do goes on after ``last``.
    """

    selection: Selection
    after: int = 0
    up_to: int | None = None
    limit: int = Field(default=MOST_AT_ONCE, ge=1, le=MOST_AT_ONCE)


class Replay(OnParked):
    """Let parked commands be decided again, in the order in which they were parked, ahead of what waits behind them."""


class Drop(OnParked):
    """Give parked commands up for good: they stay readable, and what waits behind them goes on."""


class DryRun(Operation, name="rehearse"):
    """Apply parked commands in a transaction that is rolled back, and report in the audit what a replay would do.

    On the wire and in the audit its name is ``rehearse``: writers and consoles of different releases meet there.
    """

    selection: Selection
    limit: int = Field(default=MOST_IN_DRY_RUN, ge=1, le=MOST_IN_DRY_RUN)


class Edit(Operation):
    """Give a parked command other fields, as JSON. ``was``: the SHA-256 (hexadecimal) of the body one looked at."""

    number: int
    fields: Annotated[str, StringConstraints(min_length=2, max_length=256 * 1024)]
    was: str


class _BuiltIn(Service):
    reserved: ClassVar[frozenset[str]] = RESERVED_NAMES - {BUILT_IN}


operations: Service = _BuiltIn(
    BUILT_IN, commands=[Hold, Release, Replay, Drop, DryRun, Edit], retention=timedelta(days=7)
)
"""The service, as the others are declared."""
