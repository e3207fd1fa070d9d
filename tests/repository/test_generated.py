"""What documents say that is made from the code is what the code says now."""

from __future__ import annotations

import json
import re

import pika
import pytest
from pika.frame import decode_frame

from tests.checkout import tracked
from tests.repository.documents import page, tables_of
from tests.repository.generated import COMMAND, PARTS, written
from writegate.message.envelope import decode


@pytest.mark.parametrize("name", PARTS)
def test_a_part_is_what_would_be_written_now(name: str) -> None:
    path, make = PARTS[name]
    assert written(name) == make(), f"{path}: type `{COMMAND}`"


def test_the_bytes_on_the_page_are_a_message_that_the_writer_reads() -> None:
    """Read back by another path than they were made by: from the page's own hexadecimal digits."""
    [dump] = [block.text for block in page("shared/docs/wire-format.md").blocks if block.text.startswith("frame 1")]
    frames = []
    for part in dump.split("\n\n"):
        digits = "".join(line[6:54] for line in part.strip().splitlines()[1:])
        _, frame = decode_frame(bytes.fromhex(re.sub(r"\s", "", digits)))
        frames.append(frame)
    publish, header, body = frames
    assert (publish.method.exchange, publish.method.mandatory) == ("writes.invoices", True)
    assert isinstance(header.properties, pika.BasicProperties)
    properties = {"content_type": header.properties.content_type, "user_id": header.properties.user_id}
    [item] = decode(body.fragment, header.properties.headers, properties)
    assert (item.task, item.key, item.version) == ("invoices.pay_invoice", "2026-117", 1)
    assert json.loads(item.fields) == {"invoice": "2026-117", "cents": 4200}
    assert header.body_size == len(body.fragment)


def test_every_cause_of_a_malformed_message_is_on_the_page() -> None:
    [rows] = tables_of(page("shared/docs/wire-format.md"), "cause")
    named = set(re.findall(r"`([a-z-]+)`", " ".join(row[0] for row in rows)))
    folders = ("shared/src/writegate/message/*.py", "services/writer/src/writegate_writer/receive/*.py")
    source = "\n".join(path.read_text() for path in tracked(*folders))
    raised = set(re.findall(r'MalformedMessage\(\s*"([a-z-]+)"', source))
    assert raised, "expected causes in the code that reads messages"
    assert raised <= named, f"shared/docs/wire-format.md says nothing of {sorted(raised - named)}"
