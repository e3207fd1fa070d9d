"""The parts of documents that are made from the code: ``python -m tests.repository.generated`` writes them anew.

A part stands between two invisible comments; tests compare it with what would be written now.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pika
from pika.frame import Body, Header, Method
from pika.spec import Basic

from tests.checkout import ROOT
from writegate.config import PREFIX, Settings
from writegate.message.envelope import Item, Message, encode, encode_many
from writegate.message.receipt import Receipt, to_result_message
from writegate.message.topology import route_of

COMMAND = "make docs"
_BEGIN, _END = "<!-- {}: written by {} -->", "<!-- {}: end -->"

# What the example on the page carries. The id's time is 2025-11-28T12:00:00Z.
_ITEM = Item(
    id="019aca55-9e00-7000-8000-000000000001",
    task="invoices.pay_invoice",
    version=1,
    key="2026-117",
    fields=b'{"invoice":"2026-117","cents":4200}',
)
_OTHER = Item(
    id="019aca55-9e00-7000-8000-000000000002",
    task="invoices.pay_invoice",
    version=1,
    key="2026-118",
    fields=b'{"invoice":"2026-118","cents":900}',
)
_TIMESTAMP, _ORIGIN, _LANES, _CHANNEL = 1764331200, "gen1@shop", 2, 1


def settings() -> str:
    """Return the table of all settings."""
    lines = ["| variable | default | meaning |", "| --- | --- | --- |"]
    for name, field in Settings.model_fields.items():
        default = "" if field.default == "" else f"`{field.default}`"
        lines.append(f"| `{PREFIX}{name.upper()}` | {default} | {field.description} |")
    return "\n".join(lines)


def message() -> str:
    """Return one complete message: its method, properties and headers, its body, and the bytes of all three frames."""
    made = _made(encode(_ITEM))
    method, properties = _frames(made)[0]
    shown = {"exchange": method.exchange, "routing_key": method.routing_key, "mandatory": method.mandatory}
    names = ("content_type", "content_encoding", "delivery_mode", "priority", "correlation_id", "timestamp")
    plain = {name: getattr(properties, name) for name in (*names, "user_id", "app_id")}
    frames = [
        f"frame {number}: {name}, {len(data)} bytes\n{_hex(data)}"
        for number, (name, data) in enumerate(_bytes(made).items(), 1)
    ]
    return "\n\n".join(
        [
            _fenced("json", json.dumps({"publish": shown, "properties": plain, "headers": made.headers}, indent=2)),
            "Its body:",
            _fenced("json", made.body.decode()),
            "The same as the bytes that travel, frame by frame:",
            _fenced("text", "\n\n".join(frames)),
        ]
    )


def many() -> str:
    """Return the body of a message with two commands."""
    made = _made(encode_many("019aca55-9e00-7000-8000-000000000003", [_ITEM, _OTHER]))
    args, kwargs, embed = json.loads(made.body)
    rows = ",\n    ".join(f"{json.dumps(row[:-1])[:-1]},\n     {json.dumps(row[-1])}]" for row in kwargs["commands"])
    return _fenced("json", f'[{json.dumps(args)},\n {{"commands": [\n    {rows}]}},\n {json.dumps(embed)}]')


def receipt() -> str:
    """Return the body of the reply for a command that was applied."""
    applied = Receipt(_ITEM.id, "applied", 4711, "0/1A2B3C4D", datetime(2025, 11, 28, 12, 0, 0, 123456, tzinfo=UTC))
    return _fenced("json", json.dumps(json.loads(to_result_message(applied)), indent=2))


PARTS = {
    "settings": ("shared/docs/settings.md", settings),
    "message": ("shared/docs/wire-format.md", message),
    "many": ("shared/docs/wire-format.md", many),
    "receipt": ("shared/docs/wire-format.md", receipt),
}


def written(name: str) -> str:
    """Return a part as it stands in its document now."""
    path, _ = PARTS[name]
    begin, end = _BEGIN.format(name, COMMAND), _END.format(name)
    _, found, rest = (ROOT / path).read_text().partition(begin)
    assert found, f"{path}: expected a line {begin}"
    part, found, _ = rest.partition(end)
    assert found, f"{path}: expected a line {end}"
    return part.strip("\n")


def main() -> None:
    """Write every part anew."""
    for name, (document, make) in PARTS.items():
        path = ROOT / document
        begin, end = _BEGIN.format(name, COMMAND), _END.format(name)
        before, _, rest = path.read_text().partition(begin)
        _, _, after = rest.partition(end)
        path.write_text(f"{before}{begin}\n\n{make()}\n\n{end}{after}")


def _made(message: Message) -> Message:
    """Leave out what differs from process to process."""
    return Message(message.body, {**message.headers, "origin": _ORIGIN}, message.properties)


def _frames(message: Message) -> list[tuple[Any, pika.BasicProperties]]:
    route = route_of("invoices", _ITEM.key, _LANES)
    properties = pika.BasicProperties(
        **message.properties, headers=message.headers, user_id="invoices", app_id="invoices", timestamp=_TIMESTAMP
    )
    return [(Basic.Publish(exchange=route.exchange, routing_key=route.routing_key, mandatory=True), properties)]


def _bytes(message: Message) -> dict[str, bytes]:
    [(method, properties)] = _frames(message)
    return {
        "method basic.publish": Method(_CHANNEL, method).marshal(),
        "content header": Header(_CHANNEL, len(message.body), properties).marshal(),
        "content body": Body(_CHANNEL, message.body).marshal(),
    }


def _hex(data: bytes) -> str:
    lines = []
    for start in range(0, len(data), 16):
        row = data[start : start + 16]
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        lines.append(f"{start:04x}  {row[:8].hex(' ')}  {row[8:].hex(' ')}".ljust(54) + f"  |{text}|")
    return "\n".join(lines)


def _fenced(language: str, text: str) -> str:
    return f"```{language}\n{text}\n```"


if __name__ == "__main__":
    main()
