"""Reporting commands that could not be published after a local commit, which cannot be undone any more."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from writegate.contract.command import Command, contract_of
from writegate.errors import WritegateError

log = logging.getLogger(__name__)


@contextmanager
def report_unpublished(commands: Sequence[Command]) -> Iterator[None]:
    """Log the ids of ``commands`` when publishing them inside the block fails, and raise the error again."""
    try:
        yield
    except WritegateError:
        ids = ", ".join(f"{contract_of(command).task} {command.command_id}" for command in commands)
        log.exception("the local transaction is committed, and these may not be published: %s", ids)
        raise
