"""Whatever arrived can be stored."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.hostile import amqp_values
from writegate_writer.receive.sanitizing import sanitize_json, sanitize_text

any_text = st.text(st.characters(exclude_categories=[]))


@given(any_text)
def test_text_can_be_stored_and_what_could_is_not_changed(text: str) -> None:
    plain = sanitize_text(text)
    assert "\0" not in plain
    assert plain.encode().decode() == plain
    assert all(after == before for before, after in zip(text, plain, strict=True) if after != "\ufffd")


def test_what_cannot_be_stored_is_shown_as_replaced() -> None:
    assert sanitize_text("a\0b\ud800c") == "a\ufffdb\ufffdc"


@given(amqp_values)
def test_any_value_becomes_json_that_can_be_stored(value: Any) -> None:
    text = json.dumps(sanitize_json(value), allow_nan=False)
    assert "\\u0000" not in text.replace("\\\\", "")
    assert json.dumps(sanitize_json(value), ensure_ascii=False).encode()


storable = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text("aé🛫"),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text("ab"), inner, max_size=2),
    max_leaves=4,
)


@given(storable)
def test_plain_json_stays_as_it_is(value: Any) -> None:
    assert sanitize_json(value) == value


def test_depth_is_bounded() -> None:
    value: Any = 1
    for _ in range(10_000):
        value = [value]
    assert json.dumps(sanitize_json(value)) == "[" * 8 + '"\\u2026"' + "]" * 8
    assert sanitize_json({1: b"\0", "x": float("nan")}) == {"1": "b'\\x00'", "x": "nan"}
