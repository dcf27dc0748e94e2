"""Events as Protobuf: one message a payload, with or without Confluent's bytes before it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import pyarrow as pa

from pipelines.plan import EventTable
from pipelines.stream.transport.codec import Decoded
from pipelines.stream.transport.records import CONFLUENT, NotDecodableError, Record, decode_records
from pipelines.topic_format import TIMESTAMP, message_class


def decode_protobuf(payloads: Sequence[bytes], table: EventTable) -> Decoded:
    """Return the events that are of the topic's message, and the others with what is wrong.

    A field that is not set is null where the message can tell that it is not, else it has its default.
    """
    names = tuple(name for name, _ in table.columns)
    return decode_records(payloads, table.schema(), _decoder(table.encoding_schema, names), "not_protobuf")


def encode_protobuf(table: EventTable, events: pa.Table) -> list[bytes]:
    """Return each event as a message; a null is a field that is not set."""
    message = message_class(table.encoding_schema)
    kinds = {field.name: field for field in message.DESCRIPTOR.fields}
    payloads = []
    for row in events.to_pylist():
        made = message()
        for name, value in row.items():
            if value is None:
                continue
            field = kinds[name]
            if field.message_type is not None:
                getattr(made, name).FromDatetime(value)
            elif field.enum_type is not None:
                setattr(made, name, field.enum_type.values_by_name[value].number)
            else:
                setattr(made, name, value)
        payloads.append(made.SerializeToString())
    return payloads


@lru_cache(maxsize=64)
def _decoder(path: str, names: tuple[str, ...]) -> Callable[[bytes], Record]:
    message = message_class(path)
    fields = [message.DESCRIPTOR.fields_by_name[name] for name in names]

    def decode(payload: bytes) -> Record:
        made = message()
        made.ParseFromString(payload[_head(payload) :])
        return {field.name: _value(made, field) for field in fields}

    return decode


def _head(payload: bytes) -> int:
    """Return how many bytes of Confluent's are before the message; no message begins with a zero.

    After the schema's number come the indexes of the message in its file: how many, and each; a single zero for the first.
    """
    if payload[:1] != b"\0":
        return 0
    at = CONFLUENT
    count, at = _varint(payload, at)
    for _ in range(count):
        _, at = _varint(payload, at)
    return at


def _varint(payload: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(payload) and shift < 35:
        byte = payload[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value >> 1, at  # zigzag; indexes are not negative
    raise NotDecodableError("cut short in the bytes before the message")


def _value(made: Any, field: Any) -> Any:
    if field.has_presence and not made.HasField(field.name):
        return None
    value = getattr(made, field.name)
    if field.message_type is not None and field.message_type.full_name == TIMESTAMP:
        return value.seconds * 1_000_000 + value.nanos // 1000
    if field.enum_type is not None:
        known = field.enum_type.values_by_number.get(value)
        return known.name if known else str(value)
    return value
