"""The fields of a parked command."""

from __future__ import annotations

import json

import pytest

from writegate.contract.json_values import show_json
from writegate.errors import WritegateError
from writegate_console.gate.kept.fields import fields_of, with_settings


def test_fields_are_found_in_a_body_and_in_a_message() -> None:
    assert fields_of(b'{"a": 1}') == {"a": 1}
    assert fields_of(json.dumps([[], {"a": 1}, {}]).encode()) == {"a": 1}
    for raw in (b"[]", b"5", b"\xff", b"[1, 2, 3]"):
        assert fields_of(raw) is None


def test_a_field_is_set_to_json() -> None:
    assert with_settings({"a": 1, "b": 2}, ["a=5", 'c="x=y"']) == {"a": 5, "b": 2, "c": "x=y"}
    for fields, settings, problem in (({}, ["a"], "name, = and JSON"), ({}, ["a=x"], "JSON"),
                                   (None, ["a=1"], "--fields FILE")):  # fmt: skip
        with pytest.raises(WritegateError, match=problem):
            with_settings(fields, settings)


def test_a_number_keeps_its_digits_from_the_row_to_the_edit() -> None:
    fields = fields_of(b'{"amount": 12345678901234567.89, "rate": 1.10}')
    assert show_json(fields) == '{"amount": 12345678901234567.89, "rate": 1.10}'
    assert show_json(with_settings(fields, ["rate=2.50"])) == '{"amount": 12345678901234567.89, "rate": 2.50}'


def test_the_fields_of_what_is_no_json_for_its_nan_can_be_changed_too() -> None:
    assert show_json(with_settings(fields_of(b'{"a": NaN, "b": 1}'), ["a=5"])) == '{"a": 5, "b": 1}'
