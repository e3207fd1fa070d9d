"""``writegate service remove``."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from writegate.cli.asking import confirm
from writegate.cli.output import print_text
from writegate.config import Settings
from writegate_writer.provision.plan import NEED, opened


def remove(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A service whose folder was deleted; `plan` names it.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before removing anything.")] = False,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for its lanes to run empty.")] = 120.0,
) -> None:
    """Take a deleted service away from broker and database.

    Shuts its publishers out, waits until the writers have applied what waits, and deletes its queues, exchange, user,
    lanes, rights and role. Its tables stay. Exit code 0: removed, 1: not, and nothing is gone, 2: wrong usage.
    """
    with opened(Settings.load(need=NEED)) as applier:
        if not yes:
            confirm(f"Shut out the publishers of {name}, and remove it when its lanes are empty?")
        applier.remove(name, timeout, partial(print_text))
