"""A parcel as it travels: its message, and the message's AMQP properties."""

from __future__ import annotations

import time

import pika

from writegate.contract.ids import new_id
from writegate.message.envelope import Message, encode, encode_many
from writegate.publishing.pipeline import Parcel
from writegate.publishing.wire import REPLY_TO


def message_of(parcel: Parcel) -> Message:
    """Return a parcel's message. Sent again it has the same id."""
    if len(parcel.items) == 1:
        parcel.message_id = parcel.items[0].id
        return encode(parcel.items[0])
    parcel.message_id = parcel.message_id or new_id()
    return encode_many(parcel.message_id, parcel.items)


def properties_of(parcel: Parcel, message: Message, app_id: str, user: str) -> pika.BasicProperties:
    """Return the properties of a parcel's message, as this broker user sends it."""
    wants_reply = any(call.receipt for call in parcel.calls)
    return pika.BasicProperties(
        **message.properties,
        headers={**message.headers, **(parcel.headers or {})},
        app_id=app_id,
        user_id=user,
        timestamp=int(time.time()),
        reply_to=REPLY_TO if wants_reply else parcel.reply_to,
    )
