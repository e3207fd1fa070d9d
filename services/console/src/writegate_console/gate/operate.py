"""Acting on a gate: an operation is published as the operator, and carried out by a writer."""

from __future__ import annotations

from typing import Any

from writegate.config import Settings
from writegate.contract.operations import Operation
from writegate.errors import ReceiptTimeout, WritegateError
from writegate.publishing import Publisher

ANSWER_SECONDS = 30.0


class Refused(WritegateError):
    """The writer did not do it, and says why."""


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
