"""Acting on a gate: an operation is published as the operator, and carried out by a writer."""

from __future__ import annotations

from typing import Any

from writegate.config import Settings
from writegate.contract.operations import Operation
from writegate.errors import ReceiptTimeout, WritegateError
from writegate.publishing import Publisher

ANSWER_SECONDS = 30.0


class OperationRefused(WritegateError):
    """The writer did not carry the operation out, and says why."""


class Operator:
    """Publishes operations over one connection, as the broker user of ``WRITEGATE_BROKER_URL``. For any thread."""

    def __init__(self, settings: Settings) -> None:
        self._publisher = Publisher(settings, spool=False)  # a person repeats what cannot be sent now

    def operate(self, operation: Operation, timeout: float = ANSWER_SECONDS) -> dict[str, Any]:
        """Have an operation carried out; return its result.

        Raises :class:`OperationRefused` with the writer's reason, and :class:`WritegateError` when the broker does not
        take it, when it failed, or when no writer has answered after ``timeout`` seconds: a writer may still do it.
        """
        try:
            receipt = self._publisher.publish(operation, receipt=True).wait(timeout)
        except ReceiptTimeout as error:
            raise WritegateError(
                f"accepted as {operation.command_id}, and no writer has carried it out after {timeout:g} s. It will be "
                "done when a writer serves the domain `writegate`: see `writegate status`"
            ) from error
        if not receipt.succeeded:
            raise WritegateError(f"not done: {receipt.reason or receipt.outcome}")
        result = dict(receipt.result or {})
        if "refused" in result:
            raise OperationRefused(result["refused"])
        return result

    def close(self) -> None:
        """Close the connection."""
        self._publisher.close(timeout=2.0)


def operate_once(operation: Operation, timeout: float = ANSWER_SECONDS) -> dict[str, Any]:
    """Have one operation carried out over a connection of its own, as :meth:`Operator.operate` does."""
    operator = Operator(Settings.load(need=("broker_url",)))
    try:
        return operator.operate(operation, timeout)
    finally:
        operator.close()
