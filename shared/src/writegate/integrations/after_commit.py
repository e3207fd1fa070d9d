"""Publishing what a local transaction has committed: too late to undo it, so a failure must be seen."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from writegate.contract.command import Command, contract_of
from writegate.errors import WritegateError

log = logging.getLogger(__name__)


@contextmanager
def report_unpublished(commands: Sequence[Command]) -> Iterator[None]:
    """Publish ``commands`` inside: what fails is logged with their ids, since the local commit stays, and raised."""
    try:
        yield
    except WritegateError:
        which = ", ".join(f"{contract_of(command).task} {command.command_id}" for command in commands)
        log.exception("the local transaction is committed, and these may not be published: %s", which)
        raise
