"""One difference between what is declared and what is there, and the step that ends it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from writegate.errors import WritegateError
from writegate_writer.handlers.domains import DeclaredDomain

Action = Literal["create", "change", "refused"]


class ApplyError(WritegateError):
    """A plan could not be made or carried out. The text says which part, why, and what to do."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One migration file; ``hash`` is of its content (SHA-256, hexadecimal)."""

    service: str
    name: str
    hash: str
    sql: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Sql:
    """A statement, in a transaction of its own. ``password_of`` names whose password is its last parameter."""

    text: str
    parameters: tuple[Any, ...] = ()
    password_of: str | None = None


@dataclass(frozen=True, slots=True)
class BrokerRequest:
    """A request to the broker's management API: the path's parts and a JSON body.

    ``password_of`` names whose password goes into the body.
    """

    method: Literal["PUT", "POST", "DELETE"]
    path: tuple[str, ...]
    body: Mapping[str, Any]
    password_of: str | None = None


@dataclass(frozen=True, slots=True)
class Membership:
    """These domains get these lanes, some of which belong to others now. See :mod:`.membership`.

    ``numbers``: services that get so many lanes; only :mod:`.switch` may do that.
    """

    domains: tuple[DeclaredDomain, ...]
    numbers: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Removal:
    """A queue that nothing is bound to goes, if it is empty and nobody consumes it."""

    queue: str


Step = Migration | Sql | BrokerRequest | Membership | Removal


@dataclass(frozen=True, slots=True)
class Change:
    """``name`` (an object of this ``kind``) is not as declared. Without a ``step`` it is refused: see ``detail``."""

    action: Action
    kind: str
    name: str
    detail: str
    step: Step | None = None

    @property
    def password_of(self) -> str | None:
        """Whose password this change needs."""
        return self.step.password_of if isinstance(self.step, Sql | BrokerRequest) else None


def password_variable(name: str) -> str:
    """Return the environment variable that holds the password of a broker user or database role."""
    return f"WRITEGATE_PASSWORD_{name.upper()}"
