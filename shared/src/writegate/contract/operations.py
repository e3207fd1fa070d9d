"""The built-in service ``writegate``: operators' actions, as commands that the writer executes and audits.

So the writer stays the only process with write connections, and an action is as durable, ordered and exactly-once as
any other write. An action that cannot be done is refused in its result, ``{"refused": "why"}``; it is not parked.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from writegate.contract.command import Command
from writegate.contract.service import RESERVED_NAMES, Service
from writegate.contract.targets import BUILT_IN

MOST_AT_ONCE = 1000  # commands that one action changes, so that its transaction stays short
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


@dataclass(frozen=True, slots=True)
class KeptTable:
    """Commands that are kept for people: those in a table of the schema ``writegate``, whose rows are named ``kept``.

    ``undecided``: the condition on a row about which people may still decide. ``number``, ``kept_at`` and ``cause``:
    the columns by which people name a command, and which say since when and why it is kept.
    """

    name: Literal["parked", "deferred"]
    undecided: str
    number: str
    kept_at: str
    cause: str


PARKED = KeptTable("parked", "kept.state = 'parked'", number="seq", kept_at="parked_at", cause="cause")
DEFERRED = KeptTable(
    "deferred",
    """kept.state = 'deferred' AND NOT EXISTS (SELECT FROM writegate.removal r
                                               WHERE r.service = kept.service AND r.ledger_id = kept.ledger_id)""",
    number="number",
    kept_at="deferred_at",
    cause="reason",
)


class Selection(BaseModel):
    """A filter for parked or deferred commands: those that match every field that is given.

    ``numbers``: as `writegate parked list` or `writegate deferred list` shows them. ``since`` and ``before`` limit the
    time at which they were parked or deferred. ``text``: found anywhere in the message body.
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

    def sql(self, kept: KeptTable) -> tuple[str, dict[str, Any]]:
        """Return a condition on rows of a table, named ``kept``, and its parameters, in psycopg2's form.

        The console lists with the same condition with which the writer acts.
        """
        given = {name: value for name, value in self if value is not None}
        parameters = {name: list(value) if name == "numbers" else value for name, value in given.items()}
        columns = {"number": kept.number, "kept_at": kept.kept_at, "cause": kept.cause}
        return " AND ".join(["true", *(_CONDITIONS[name].format(**columns) for name in given)]), parameters

    def __str__(self) -> str:
        """Return the filter as text, for people and for the audit."""
        given = self.model_dump(mode="json", exclude_none=True)
        return " ".join(f"{name}={_short(value)}" for name, value in given.items()) or "all"


_CONDITIONS = {
    "service": "kept.service = %(service)s",
    "task": "kept.task = %(task)s",
    "cause": "kept.{cause} = %(cause)s",
    "key": "kept.key = %(key)s",
    "id": "kept.id = %(id)s",
    "text": "position(convert_to(%(text)s, 'UTF8') IN kept.raw) > 0",
    "since": "kept.{kept_at} >= %(since)s",
    "before": "kept.{kept_at} < %(before)s",
    "numbers": "kept.{number} = ANY(%(numbers)s)",
}


def _short(value: Any) -> str:
    text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= _SHORT_CHARACTERS else text[:_SHORT_CHARACTERS] + "…"


class OnKept(Operation):
    """An action on one page of kept commands: the first ``limit`` of the selection with numbers above ``after``.

    ``up_to`` is the highest number, so that commands which are kept meanwhile do not extend the work. The result is
    ``{"done": n, "last": number, "skipped": {"why": n}}``; the next page starts after ``last``.
    """

    kept: ClassVar[KeptTable] = PARKED
    selection: Selection
    after: int = 0
    up_to: int | None = None
    limit: int = Field(default=MOST_AT_ONCE, ge=1, le=MOST_AT_ONCE)


class Replay(OnKept):
    """Apply parked commands again, in the order in which they were parked and before those deferred behind them."""


class Drop(OnKept):
    """Give up parked commands for good. They stay readable, and the commands deferred behind them continue."""


class ReplayDeferred(OnKept):
    """Try deferred commands now, each behind what of its key was deferred before it. What stops them still does."""

    kept: ClassVar[KeptTable] = DEFERRED


class ParkDeferred(OnKept):
    """Park deferred commands. Those behind them continue."""

    kept: ClassVar[KeptTable] = DEFERRED


class DropDeferred(OnKept):
    """Give up deferred commands for good. They stay readable among the parked ones; those behind them continue."""

    kept: ClassVar[KeptTable] = DEFERRED


class TakeOut(Operation):
    """Park or drop one command before a writer applies it, wherever it is: in a lane, on its way, or deferred.

    Its message is acknowledged when its turn comes. Refused when it is finished already.
    """

    service: str
    id: Annotated[str, StringConstraints(min_length=1, max_length=1000)]
    drop: bool


class OnFirst(Operation):
    """A dry run: the first commands of a selection are applied in a transaction that is rolled back.

    What a replay would do is reported in the audit.
    """

    kept: ClassVar[KeptTable] = PARKED
    selection: Selection
    limit: int = Field(default=MOST_IN_DRY_RUN, ge=1, le=MOST_IN_DRY_RUN)


class DryRun(OnFirst, name="rehearse"):
    """A dry run of parked commands.

    On the wire and in the audit its name is ``rehearse``, so that writers and consoles of different releases understand
    each other.
    """


class DryRunDeferred(OnFirst):
    """A dry run of deferred commands."""

    kept: ClassVar[KeptTable] = DEFERRED


class Edit(Operation):
    """Replace the fields of a parked command, as JSON. ``was``: SHA-256 (hexadecimal) of the body that was edited."""

    number: int
    fields: Annotated[str, StringConstraints(min_length=2, max_length=256 * 1024)]
    was: str


class _BuiltIn(Service):
    reserved: ClassVar[frozenset[str]] = RESERVED_NAMES - {BUILT_IN}


operations: Service = _BuiltIn(
    BUILT_IN,
    commands=[
        Hold,
        Release,
        Replay,
        Drop,
        DryRun,
        Edit,
        ReplayDeferred,
        ParkDeferred,
        DropDeferred,
        DryRunDeferred,
        TakeOut,
    ],
    retention=timedelta(days=7),
)
"""The declaration of the built-in service."""
