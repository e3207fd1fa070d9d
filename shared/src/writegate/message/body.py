"""The body of a Celery message that anybody may have sent: ``[args, kwargs, embed]`` as JSON, perhaps compressed."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic_core import from_json, to_json

from writegate.contract.json_values import read_json, write_json
from writegate.contract.wrapped_values import may_be_wrapped, unwrapped_all
from writegate.errors import MalformedMessage

MAX_BODY_BYTES = 256 * 1024

# The end of every Celery message's body. Other values are a Celery canvas, which is not supported.
EMBED = to_json({"callbacks": None, "errbacks": None, "chain": None, "chord": None})
_BEFORE, _AFTER = b"[[],", b"," + EMBED + b"]"

# AMQP's content-encoding says how text is encoded, or how it is compressed. Celery's `task_compression` leaves it at
# utf-8 and adds a header; what it calls gzip is zlib's own format (kombu/compression.py).
_TEXTS = {"utf-8", "utf8", "us-ascii", "ascii", "identity", "binary", ""}
_GZIP = {"gzip", "x-gzip", "application/gzip", "application/x-gzip", "zlib", "deflate"}
_ANY_HEADER = 32 + zlib.MAX_WBITS  # zlib finds out whether it is gzip or zlib


class Kwargs(NamedTuple):  # cheaper to make than a dataclass: every message needs one
    """The keyword arguments of a message, as values and as JSON.

    ``plain``: the JSON came just as we write it ourselves, so whoever reads it loses no digit of any number.
    """

    values: dict[str, Any]
    text: bytes
    plain: bool

    def json(self, value: Any) -> bytes:
        """Return a part of the values as JSON."""
        return to_json(value) if self.plain else write_json(value)


def body_of(kwargs: bytes) -> bytes:
    """Return the body of a message with these keyword arguments, given as JSON."""
    return _BEFORE + kwargs + _AFTER


def read_kwargs(body: bytes, headers: Mapping[str, Any], properties: Mapping[str, Any], *, stock: bool) -> Kwargs:
    """Read the body of a message. ``stock``: values in it that kombu has wrapped are to be plain ones.

    Raises :class:`MalformedMessage`, see :func:`writegate.message.envelope.decode`.
    """
    if len(body) > MAX_BODY_BYTES:
        raise MalformedMessage("too-large", f"expected at most {MAX_BODY_BYTES} bytes, got {len(body)}")
    if properties.get("content_type") != "application/json":
        raise MalformedMessage(
            "not-json", f"expected content type application/json, got {short(properties.get('content_type'))}"
        )
    body = decompressed(body, headers, properties)
    try:
        # Neither JSON nor a jsonb column has NaN and infinity.
        kwargs = _kwargs(from_json(body, allow_inf_nan=False))
        text = to_json(kwargs)
        if body.startswith(text, len(_BEFORE)) and len(body) == len(_BEFORE) + len(text) + len(_AFTER):
            return Kwargs(kwargs, text, True)
        # Somebody else's JSON, the way that json.dumps puts spaces: numbers may be longer than a float.
        kwargs = read_json(body)[1]
    except ValueError as error:
        raise MalformedMessage("invalid-json", f"expected a JSON body: {error}") from error
    if stock and may_be_wrapped(body):
        kwargs = unwrapped_all(kwargs)
    return Kwargs(kwargs, write_json(kwargs), False)


def _kwargs(parsed: Any) -> dict[str, Any]:
    if not isinstance(parsed, list) or len(parsed) != 3:
        raise MalformedMessage(
            "protocol", f"expected the body [args, kwargs, embed] of Celery protocol 2, got {short(parsed)}"
        )
    args, kwargs, embed = parsed
    if args:
        raise MalformedMessage("positional-args", f"expected keyword arguments only, got args {short(args)}")
    if not isinstance(kwargs, dict):
        raise MalformedMessage("not-kwargs", f"expected kwargs to be an object, got {short(kwargs)}")
    if isinstance(embed, dict) and any(embed.values()):
        raise MalformedMessage("canvas", f"expected no callbacks, errbacks, chain or chord, got {short(embed)}")
    return kwargs


def decompressed(body: bytes, headers: Mapping[str, Any], properties: Mapping[str, Any]) -> bytes:
    """Return a body without its compression, which may be gzip.

    Raises :class:`MalformedMessage` (``content-encoding``, ``too-large``) before more than a body's limit is expanded.
    """
    if properties.get("content_encoding") == "utf-8" and "compression" not in headers:
        return body
    encodings = [properties.get("content_encoding"), headers.get("compression")]
    named = [str(encoding).lower() for encoding in encodings if encoding is not None]
    compressed = [encoding for encoding in named if encoding not in _TEXTS]
    if not compressed:
        return body
    if len(compressed) > 1 or compressed[0] not in _GZIP:
        got = " and ".join(map(short, compressed))
        raise MalformedMessage("content-encoding", f"expected content encoding utf-8 or gzip, got {got}")
    inflating = zlib.decompressobj(_ANY_HEADER)
    try:
        expanded = inflating.decompress(body, MAX_BODY_BYTES + 1)
    except zlib.error as error:
        raise MalformedMessage("content-encoding", f"expected a body in {compressed[0]}: {error}") from error
    if len(expanded) > MAX_BODY_BYTES:
        raise MalformedMessage("too-large", f"expected at most {MAX_BODY_BYTES} bytes, decompressed it has more")
    if not inflating.eof or inflating.unused_data:
        what = "more follows its end" if inflating.eof else "its end is missing"
        raise MalformedMessage("content-encoding", f"expected a body in {compressed[0]}: {what}")
    return expanded


def short(value: Any) -> str:
    """Return what was sent as text for an error message, cut short."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "…"
