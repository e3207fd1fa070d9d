"""What is published. ``note`` goes into the history's filler: the benchmark writes there when the command was due."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from writegate import Command, Service


class Transact1(Command, key="account", name="transact_1"):
    """Add ``delta`` to an account, a teller and a branch, at scale 1."""

    account: int
    teller: int
    branch: int
    delta: int
    note: Annotated[str, Field(max_length=22)] = ""


class Transact50(Transact1, key="account", name="transact_50"):
    """The same at scale 50."""


# A thousand publishers are measured, with two channels each.
tpcb = Service("tpcb", commands=[Transact1, Transact50], max_connections=1100, max_channels=2200)
