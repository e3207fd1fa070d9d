"""What tests ask of the writer. TRIAL_LANES says how many lanes there are."""

from __future__ import annotations

import os
from typing import Any, Literal

from writegate import Command, Service, upgrades


class Deposit(Command, key="account"):
    """Book an amount. That it is at least 0 is the database's own rule."""

    account: str
    seq: int
    amount: int = 1


class Careful(Command, key="account", on_reject="park_key"):
    """Book an amount as a deposit does; when one is rejected, its account waits."""

    account: str
    seq: int
    amount: int = 1


class Split(Command, key="account"):
    """Emit deposits of 1, numbered from ``first``, to another account."""

    account: str
    into: str
    first: int
    count: int


class Choose(Command, key="account"):
    """Be rejected by the handler itself when a reason is given; otherwise book 1."""

    account: str
    seq: int
    reason: str | None = None


class Agree(Command, key="account"):
    """Book 1, and be declined by the handler afterwards when a reason is given."""

    account: str
    seq: int
    no: str | None = None


class Spend(Command, key="account"):
    """Take an amount from the balance; declined when there is less, by a handler of one command at a time."""

    account: str
    amount: int


class Draw(Command, key="account"):
    """The same, by a ready-made handler. ``total``: what is added to the balance."""

    account: str
    total: int


class Enrol(Command, key="account"):
    """Become a member with an address that nobody else has."""

    account: str
    address: str


class Nest(Command, key="account"):
    """Book ``seq`` and ``seq + 1`` through an ORM session, the first in a nested transaction that may be undone."""

    account: str
    seq: int
    undo: bool = False


class Run(Command, key="account"):
    """Run the SQL that table ``script`` has under this name."""

    account: str
    name: str


class Wreck(Command, key="account"):
    """End or stop the process it is applied in, unless there is a file of this name; then book 1.

    It makes a file ``<unless>-reached`` before it does.
    """

    account: str
    seq: int
    how: Literal["kill", "exit", "sleep", "loop", "match"]
    unless: str = ""


class Once(Command, key="account", version=2):
    """Book 1; older messages of it say the same."""

    account: str
    seq: int


class Renamed(Command, key="account", version=3):
    """Book an amount. Once the account was called a name, and only 1 was booked."""

    account: str
    seq: int
    amount: int

    @upgrades(from_=1)
    @staticmethod
    def to_account(fields: dict[str, Any]) -> dict[str, Any]:
        return {"account": fields.pop("name"), **fields}

    @upgrades(from_=2)
    @staticmethod
    def to_amount(fields: dict[str, Any]) -> dict[str, Any]:
        return {"amount": 1, **fields}


class Step(Command, key="account"):
    """Note one step of a stream of calls, which numbers them. A bad one is rejected by the database."""

    account: str
    stream: str
    seq: int
    bad: bool = False


trial = Service(
    "trial",
    commands=[
        Deposit,
        Careful,
        Split,
        Choose,
        Agree,
        Spend,
        Draw,
        Enrol,
        Nest,
        Run,
        Wreck,
        Once,
        Renamed,
        Step,
    ],
    lanes=int(os.environ.get("TRIAL_LANES", "2")),
)
