"""``manage.py writegate_publish``: publish one command, with this project's settings."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from writegate.catalog.find import find_command, read_command
from writegate.catalog.installed import installed_services
from writegate.errors import PublishTimeout, ReceiptTimeout, WritegateError
from writegate.publishing import process

REFUSED, LATE = 1, 3  # exit codes, those of `writegate publish`


class Command(BaseCommand):
    """Publishes one command, and prints its id or its receipt."""

    help = "Publish a write command; exit code 1: refused, invalid, declined or parked, 3: no receipt in time."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the arguments of `writegate publish`."""
        parser.add_argument("task", help="its task name, such as flights.record_departure")
        parser.add_argument("fields", help="its fields as JSON")
        parser.add_argument("--wait", type=float, metavar="SECONDS", help="wait so long for its receipt")

    def handle(self, *, task: str, fields: str, wait: float | None, **_: Any) -> None:
        """Publish the command."""
        try:
            command = read_command(find_command(task, installed_services().values()), fields)
            if wait is None:
                accepted = process.publish(command)
                self.stdout.write(f"{accepted.accepted_by} {accepted.command_id}")
                return
            receipt = process.publish(command, receipt=True).wait(wait)
        except (PublishTimeout, ReceiptTimeout) as error:
            raise CommandError(str(error), returncode=LATE) from error
        except WritegateError as error:
            raise CommandError(str(error), returncode=REFUSED) from error
        if not receipt.succeeded:
            raise CommandError(f"{receipt.outcome} {receipt.id}: {receipt.reason}", returncode=REFUSED)
        self.stdout.write(f"{receipt.outcome} {receipt.id}")
