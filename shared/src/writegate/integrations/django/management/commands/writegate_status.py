"""``manage.py writegate_status``: whether this project can publish."""

from __future__ import annotations

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from writegate.errors import WritegateError
from writegate.publishing import process

_POLL_SECONDS = 0.05


class Command(BaseCommand):
    """Connects to the broker with the project's settings."""

    help = "Connect to the broker; exit code 0: it takes commands, 1: it does not."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the option for a time limit."""
        parser.add_argument("--timeout", type=float, default=10.0, metavar="SECONDS", help="default: 10")

    def handle(self, *, timeout: float, **_: Any) -> None:
        """Connect, and print whether the broker takes commands."""
        try:
            publisher = process.publisher()
        except WritegateError as error:
            raise CommandError(str(error)) from error
        deadline = time.monotonic() + timeout
        while not publisher.connected:
            if publisher.login_refused is not None:
                raise CommandError(f"the broker does not let {publisher.user!r} in: {publisher.login_refused}")
            if time.monotonic() > deadline:
                raise CommandError(f"the broker takes no commands from {publisher.user!r}, after {timeout:g} s")
            time.sleep(_POLL_SECONDS)
        self.stdout.write(f"the broker takes commands from {publisher.user!r}")
