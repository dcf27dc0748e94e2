"""Events that a library decoded one by one, as a table: what Avro and Protobuf have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa

from pipelines.stream.transport.codec import LARGEST, Decoded
from pipelines.stream.transport.rejected import Rejected

Record = Mapping[str, Any]

CONFLUENT: Final = 5
"""Bytes before an event in Confluent's wire format: a zero, and the number of its schema in the registry."""


class NotDecodableError(ValueError):
    """A payload that is not of its schema."""


def decode_records(
    payloads: Sequence[bytes], schema: pa.Schema, decode: Callable[[bytes], Record], code: str
) -> Decoded:
    """Return the events that fit the schema, and the others with what is wrong.

    Args:
        payloads: The payloads.
        schema: The columns; times are microseconds in a record.
        decode: Reads one payload; whatever it raises that a connection does not, says that it is none.
        code: The reason of those that it cannot read.
    """
    records: list[Record] = []
    at: list[int] = []
    rejected: dict[int, Rejected] = {}
    for place, payload in enumerate(payloads):
        if len(payload) > LARGEST:
            rejected[place] = Rejected(payload, f"more than {LARGEST:,} bytes", "too_large")
            continue
        try:
            record = decode(payload)
        except ConnectionError:
            raise
        except Exception as error:  # a decoder that meets any bytes may raise anything
            rejected[place] = Rejected(payload, f"{type(error).__name__}: {error}"[:200], code)
            continue
        fault = next(filter(None, (_misfit(field, record.get(field.name)) for field in schema)), None)
        if fault is not None:
            rejected[place] = Rejected(payload, *fault)
        else:
            records.append(record)
            at.append(place)
    columns = [_column([record.get(field.name) for record in records], field.type) for field in schema]
    places = sorted(rejected)
    table = pa.table(columns, schema=schema)
    return Decoded(table, np.array(at, np.int64), [rejected[place] for place in places], places)


def _column(values: list[Any], kind: pa.DataType) -> pa.Array:
    if pa.types.is_timestamp(kind):
        return pa.array(values, pa.int64()).cast(kind)
    return pa.array(values, kind)


def _misfit(field: pa.Field, value: Any) -> tuple[str, str] | None:
    """Return what is wrong with a value; None where its column can hold it."""
    if value is None:
        return None
    kind = field.type
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if pa.types.is_integer(kind) or pa.types.is_timestamp(kind):
        bound = 1 << (kind.bit_width - 1)
        right, fits = number and isinstance(value, int), number and -bound <= value < bound
    elif pa.types.is_floating(kind):
        with np.errstate(over="ignore"):
            right, fits = number, number and not np.isinf(np.float32(value) if kind.bit_width == 32 else value)
    elif pa.types.is_boolean(kind):
        right = fits = isinstance(value, bool)
    else:
        right = fits = isinstance(value, str)
    if right and fits:
        return None
    return f"{field.name}: {value!r:.80} is no {kind}", "out_of_range" if right else "wrong_type"
