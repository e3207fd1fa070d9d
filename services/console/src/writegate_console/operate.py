"""Acting on a gate: an operation is published as the operator, and carried out by a writer."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from typing import Annotated, Any

import typer

from writegate.config import Settings
from writegate.errors import ReceiptTimeout, WritegateError
from writegate.operations import Operation
from writegate.publish import Publisher

ANSWER_SECONDS = 30.0


def text_of(name: str, most: int, least: int = 0) -> Callable[[str], str]:
    """Return what checks a text that an operation carries. It raises :class:`typer.BadParameter`."""

    def check(text: str) -> str:
        if not least <= len(text) <= most or _no_text(text):
            raise typer.BadParameter(f"expected {name} of {least} to {most} characters")
        return text

    return check


def _no_text(text: str) -> bool:
    """Whether a text has bytes that the shell passed on and that are no characters."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


By = Annotated[
    str,
    typer.Option(
        "--by", help="Who does it, for the audit; by default who is logged in here.", callback=text_of("a name", 200)
    ),
]
Reason = Annotated[
    str,
    typer.Option(
        "--reason", help="Why, for the audit and for those who meet it.", callback=text_of("a text", 1000, least=1)
    ),
]


class Refused(WritegateError):
    """The writer did not do it, and says why."""


def me() -> str:
    """Return who is logged in here."""
    return getpass.getuser()


class Operator:
    """Publishes operations over one connection, as the broker user of ``WRITEGATE_BROKER_URL``."""

    def __init__(self, settings: Settings) -> None:
        self._publisher = Publisher(settings, spool=False)  # what cannot be done now is for people to repeat

    def operate(self, operation: Operation, timeout: float = ANSWER_SECONDS) -> dict[str, Any]:
        """Have it done; return what the writer says of it.

        Raises :class:`Refused` with the writer's reason, and :class:`WritegateError` when the broker does not take it,
        when it failed, or when no writer has answered after ``timeout`` seconds: it may still be done then.
        """
        try:
            receipt = self._publisher.publish(operation, receipt=True).wait(timeout)
        except ReceiptTimeout as error:
            raise WritegateError(
                f"accepted as {operation.command_id}, and no writer has carried it out after {timeout:g} s. It will be "
                "when one serves the domain `writegate`: see `writegate status`"
            ) from error
        if receipt.outcome not in {"applied", "duplicate"}:
            why = receipt.cause.message if receipt.cause is not None else receipt.outcome
            raise WritegateError(f"not done: {why}")
        result = dict(receipt.result or {})
        if "refused" in result:
            raise Refused(result["refused"])
        return result

    def close(self) -> None:
        """Close the connection."""
        self._publisher.close(timeout=2.0)


def operate(operation: Operation, timeout: float = ANSWER_SECONDS) -> dict[str, Any]:
    """:meth:`Operator.operate`, once."""
    operator = Operator(Settings.load(need=("broker_url",)))
    try:
        return operator.operate(operation, timeout)
    finally:
        operator.close()
