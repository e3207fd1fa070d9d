"""Bodies of producers in other settings: compressed, with values that kombu has wrapped, with long numbers."""

from __future__ import annotations

import gzip
import json
from decimal import Decimal

import pytest
from kombu.compression import compress

from tests.hostile import DEPOSIT, FIELDS, GZIPPED, compressed, sent_by_celery, with_body
from writegate.errors import MalformedMessage
from writegate.message.body import MAX_BODY_BYTES
from writegate.message.envelope import Message, decode, encode, encode_many, item_of


def fields_in(message: Message) -> bytes:
    return decode(message.body, message.headers, message.properties)[0].fields


def compressed_by_kombu(name: str) -> Message:
    """What ``task_compression`` puts on the wire. A broker in memory would hand it out as it was before."""
    message = sent_by_celery()
    body, type_ = compress(message.body, name)
    return Message(body, {**message.headers, "compression": type_}, message.properties)


@pytest.mark.parametrize("name", ["gzip", "zlib"])
def test_what_a_stock_application_compresses_is_read(name: str) -> None:
    message = compressed_by_kombu(name)
    assert message.headers["compression"] == "application/x-gzip"
    assert json.loads(fields_in(message)) == FIELDS


@pytest.mark.parametrize("name", ["gzip", "GZIP", "x-gzip", "deflate"])
def test_the_property_of_amqp_may_say_it_too(name: str) -> None:
    assert json.loads(fields_in(with_body(GZIPPED, content_encoding=name))) == FIELDS


@pytest.mark.parametrize("name", ["bzip2", "lzma"])
def test_another_compression_is_named_in_the_refusal(name: str) -> None:
    message = compressed_by_kombu(name)
    with pytest.raises(
        MalformedMessage, match=r"expected content encoding utf-8 or gzip, got 'application/x-"
    ) as raised:
        fields_in(message)
    assert raised.value.cause == "content-encoding"


def test_a_body_counts_as_what_it_is_decompressed_to() -> None:
    fits = gzip.compress(b'[[],{"text":"' + b"x" * (MAX_BODY_BYTES - 20) + b'"},{}]')
    assert len(fields_in(compressed("gzip", fits))) > MAX_BODY_BYTES - 40


def test_a_wrapped_value_of_a_stock_application_is_a_plain_one() -> None:
    message = sent_by_celery(kwargs={"account": "a", "amount": Decimal("1.10"), "more": [{"x": Decimal(2)}]})
    assert b"__type__" in message.body
    assert fields_in(message) == b'{"account":"a","amount":"1.10","more":[{"x":"2"}]}'


def test_what_only_looks_wrapped_in_a_command_of_ours_stays_as_it_is() -> None:
    item = item_of(DEPOSIT)
    looks = b'{"account":"a","amount":{"__type__":"decimal","__value__":"1"}}'
    ours = encode(item)
    message = Message(ours.body.replace(item.fields, looks), ours.headers, ours.properties)
    assert fields_in(message) == looks


def test_numbers_stay_as_they_were_sent() -> None:
    text = b'{"a":12345678901234567.89,"b":[1.10,1.5,10]}'
    spaced = b'{"a": 12345678901234567.89, "b": [1.10, 1.5, 10]}'
    for sent in (text, spaced):
        assert fields_in(with_body(b"[[]," + sent + b",{}]")) == text
    rows = b'{"commands":[["i-1","accounts.deposit",1,null,' + text + b'],["i-2","accounts.deposit",1,null,{"a":1.1}]]}'
    many = encode_many("m-1", [])
    first, second = decode(b"[[]," + rows + b",{}]", many.headers, many.properties)
    assert (first.fields, second.fields) == (text, b'{"a":1.1}')


def test_a_message_of_ours_is_known_to_be_plain() -> None:
    item = item_of(DEPOSIT)
    for message in (encode(item), encode_many("m-1", [item, item])):
        assert all(read.plain for read in decode(message.body, message.headers, message.properties))
    stock = sent_by_celery()
    assert not decode(stock.body, stock.headers, stock.properties)[0].plain
