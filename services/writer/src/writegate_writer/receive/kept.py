"""What is kept of a message that is parked or deferred: enough to decide about it, and bounded. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from writegate.errors import MalformedMessage
from writegate.message.body import MAX_BODY_BYTES, decompressed
from writegate.message.validation import MAX_KEY_CHARS, is_text
from writegate_writer.receive.delivery import Delivery
from writegate_writer.receive.limits import MAX_HEADER_BYTES, header_bytes
from writegate_writer.receive.sanitizing import sanitize_json

MAX_PREFIX_BYTES: Final = 4096
"""Kept of a body that is larger than one may be."""

# Of headers that are larger than they may be, and of a message whose headers stand in the row of its first command.
_NAMES: Final = ("id", "task", "parent_id", "root_id", "lang", "origin", "traceparent")


def kept_body(delivery: Delivery) -> tuple[bytes, str]:
    """Return what is kept of a body, as people can read and edit it; and a text that says what is left out."""
    body = delivery.body
    if len(body) > MAX_BODY_BYTES:
        digest = hashlib.sha256(body).hexdigest()
        return body[:MAX_PREFIX_BYTES], f"; its first {MAX_PREFIX_BYTES} bytes are kept, its SHA-256 is {digest}"
    try:
        return decompressed(body, delivery.headers, delivery.properties), ""
    except MalformedMessage:
        return body, ""


def kept_headers(deliveries: Iterable[Delivery]) -> list[str]:
    """Return headers as JSON, for one row after the other: all of a message's in its first row, then a few of them.

    So a message of many commands does not have its headers stored many times.
    """
    shortened: dict[Delivery, str] = {}
    texts = []
    for delivery in deliveries:
        if delivery in shortened:
            texts.append(shortened[delivery])
            continue
        few = {name: value for name in _NAMES if _is_short(value := delivery.headers.get(name))}
        shortened[delivery] = json.dumps(few)
        size = header_bytes(delivery.headers)
        # What is left out is said under a name that is nobody's header.
        kept: Mapping[str, Any] = few | {"…": f"of {size} bytes"} if size > MAX_HEADER_BYTES else delivery.headers
        texts.append(json.dumps(sanitize_json(dict(kept))))
    return texts


def _is_short(value: Any) -> bool:
    return is_text(value) and len(value) <= MAX_KEY_CHARS
