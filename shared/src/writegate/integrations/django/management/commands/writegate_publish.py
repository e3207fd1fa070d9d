"""``manage.py writegate_publish``: publish one command, with this project's settings."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from writegate.catalog.find import find_command, read_command
from writegate.catalog.installed import installed_services
from writegate.errors import PublishTimeout, ReceiptTimeout, WritegateError
from writegate.integrations.outcomes import DONE, LATE, REFUSED, exit_code, receipt_line
from writegate.publishing import process


class Command(BaseCommand):
    """Publishes one command, and prints its id or its receipt."""

    help = (
        "Publish a write command; exit code 1: refused, invalid or not applied, 3: no confirm or nothing final in time."
    )

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
        if (code := exit_code([receipt.outcome])) != DONE:
            raise CommandError(receipt_line(receipt), returncode=code)
        self.stdout.write(receipt_line(receipt))
