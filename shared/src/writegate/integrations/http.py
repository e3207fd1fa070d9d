"""HTTP answers to publishing, as plain values: each framework turns an :class:`Answer` into its own response. Pure.

- accepted: 202 with the id, and the path of its receipt in ``Location``;
- with ``Prefer: wait=N`` (RFC 7240) and decided within N seconds: 201 with the receipt; 409 with the reason when the
  command was declined, 422 with the cause when it was parked;
- fields that fail the contract or that no writer takes: 422, with the path of each;
- a body that is too large, or whose length its server cannot tell: 413 or 411, before it is read;
- not accepted: 503 with ``Retry-After`` when the same request may succeed later, else 500 (413 when it is too large).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError
from pydantic_core import to_json

from writegate.errors import InvalidCommand, PublishError, ReceiptTimeout, TooLarge, wrong_fields
from writegate.message.receipt import Receipt

# The most that a client may wait: it keeps a connection of this service busy for so long.
LONGEST_WAIT_SECONDS = 30.0
RETRY_AFTER_SECONDS = 1

_WAIT = re.compile(r"(?:^|[,;])\s*wait\s*=\s*\"?(\d{1,9})\"?\s*(?:$|[,;])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Answer:
    """A response: its status, a body of plain values, and additional headers."""

    status: int
    body: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)

    def json(self) -> bytes:
        """Return the body as JSON."""
        return to_json(self.body)


def preferred_wait(prefer: str | None) -> float | None:
    """Return the seconds that a ``Prefer`` header asks to wait for the outcome, or None when it does not ask."""
    match = _WAIT.search(prefer or "")
    return min(float(match[1]), LONGEST_WAIT_SECONDS) if match else None


def accepted(command_id: str) -> Answer:
    """Answer that a command is accepted; its receipt will say what became of it."""
    return Answer(202, {"id": command_id}, {"Location": _location(command_id)})


def decided(receipt: Receipt) -> Answer:
    """Answer with the outcome, or with 202 while it is not final."""
    if not receipt.final:
        return accepted(receipt.id)
    status = {"declined": 409, "parked": 422}.get(receipt.outcome, 201)
    return Answer(status, _plain(receipt), {"Location": _location(receipt.id), "Preference-Applied": "wait"})


def looked_up(command_id: str, receipt: Receipt | None) -> Answer:
    """Answer ``GET /receipts/{id}``: the receipt, or 404 while nothing is known of the id."""
    if receipt is None:
        return Answer(404, {"id": command_id, "error": "nothing is known of this id yet: ask again, or check the id"})
    return Answer(200, _plain(receipt))


def invalid(error: ValidationError) -> Answer:
    """Answer with the fields that fail the contract."""
    return _unprocessable(wrong_fields(error))


def _unprocessable(errors: list[dict[str, str]]) -> Answer:
    return Answer(422, {"errors": errors})


def refused(error: PublishError) -> Answer:
    """Answer that a command was not accepted."""
    if isinstance(error, InvalidCommand):
        return _unprocessable([{"path": error.path, "message": error.reason}])
    body = {"id": error.command_id, "error": str(error)}
    if error.retryable:
        return Answer(503, body, {"Retry-After": str(RETRY_AFTER_SECONDS)})
    return Answer(413 if isinstance(error, TooLarge) else 500, body)


def undecided(command_id: str, error: ReceiptTimeout | PublishError | str) -> Answer:
    """Answer that no writer could be asked in time."""
    return Answer(503, {"id": command_id, "error": str(error)}, {"Retry-After": str(RETRY_AFTER_SECONDS)})


def body_too_large(limit_bytes: int) -> Answer:
    """Answer that a body has more bytes than a request's may have."""
    return Answer(413, {"error": f"the body is too large: expected at most {limit_bytes} bytes"})


def length_required() -> Answer:
    """Answer that a body came in chunks, of which nobody knows how many follow."""
    return Answer(411, {"error": "expected a body with Content-Length, not in chunks"})


def _location(command_id: str) -> str:
    return f"/receipts/{command_id}"


def _plain(receipt: Receipt) -> dict[str, Any]:
    return {
        "id": receipt.id,
        "outcome": receipt.outcome,
        "xid": receipt.xid,
        "commit_lsn": receipt.commit_lsn,
        "committed_at": receipt.committed_at,
        "result": receipt.result,
        "cause": receipt.cause,
    }
