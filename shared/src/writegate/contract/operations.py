"""The built-in service ``writegate``: operators' actions, as commands that the writer executes and audits.

So the writer stays the only process with write connections, and an action is as durable, ordered and exactly-once as
any other write. An action that cannot be done is refused in its result, ``{"refused": "why"}``; it is not parked.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, ClassVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from writegate.contract.command import Command
from writegate.contract.service import RESERVED_NAMES, Service
from writegate.contract.targets import BUILT_IN

MOST_AT_ONCE = 1000  # parked commands that one action changes, so that its transaction stays short
MOST_IN_DRY_RUN = 100
_SHORT_CHARACTERS = 100

Text = Annotated[str, StringConstraints(min_length=1, max_length=1000)]


class Operation(Command):
    """The fields of every action: ``by`` whom, and the ``reason``."""

    by: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    reason: Text


class Hold(Operation):
    """Stop what ``target`` names, until a time or until it is released. It replaces a hold on the same target."""

    target: Text
    until: AwareDatetime | None = None


class Release(Operation):
    """End a hold that a person or a writer set."""

    target: Text


class Selection(BaseModel):
    """A filter for parked commands: those that match every field that is given.

    ``numbers``: as `writegate parked list` shows them. ``since`` and ``before`` limit the time at which they were
    parked. ``text``: found anywhere in the message body.
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
        """Return a condition on rows of ``writegate.parked`` and its parameters, in psycopg2's form.

        The console lists with the same condition with which the writer acts.
        """
        given = {name: value for name, value in self if value is not None}
        parameters = {name: list(value) if name == "numbers" else value for name, value in given.items()}
        return " AND ".join(["true", *(_CONDITIONS[name] for name in given)]), parameters

    def __str__(self) -> str:
        """Return the filter as text, for people and for the audit."""
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
    """An action on one page of parked commands: the first ``limit`` of the selection with numbers above ``after``.

    ``up_to`` is the highest number, so that commands which are parked meanwhile do not extend the work. The result is
    ``{"done": n, "last": number, "skipped": {"why": n}}``; the next page starts after ``last``.
    """

    selection: Selection
    after: int = 0
    up_to: int | None = None
    limit: int = Field(default=MOST_AT_ONCE, ge=1, le=MOST_AT_ONCE)


class Replay(OnParked):
    """Apply parked commands again, in the order in which they were parked and before those deferred behind them."""


class Drop(OnParked):
    """Give up parked commands for good. They stay readable, and the commands deferred behind them continue."""


class DryRun(Operation, name="rehearse"):
    """Apply parked commands in a transaction that is rolled back, and report in the audit what a replay would do.

    On the wire and in the audit its name is ``rehearse``, so that writers and consoles of different releases understand
    each other.
    """

    selection: Selection
    limit: int = Field(default=MOST_IN_DRY_RUN, ge=1, le=MOST_IN_DRY_RUN)


class Edit(Operation):
    """Replace the fields of a parked command, as JSON. ``was``: SHA-256 (hexadecimal) of the body that was edited."""

    number: int
    fields: Annotated[str, StringConstraints(min_length=2, max_length=256 * 1024)]
    was: str


class _BuiltIn(Service):
    reserved: ClassVar[frozenset[str]] = RESERVED_NAMES - {BUILT_IN}


operations: Service = _BuiltIn(
    BUILT_IN, commands=[Hold, Release, Replay, Drop, DryRun, Edit], retention=timedelta(days=7)
)
"""The declaration of the built-in service."""
