"""Events as Avro: one record a payload, with or without Confluent's five bytes before it.

With a schema registry, an event that names its schema is read by that and resolved to the declared one, as Avro lays down;
without one, all events are of the declared schema.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import pyarrow as pa

from pipelines.plan import EventTable
from pipelines.stream.transport.codec import Decoded
from pipelines.stream.transport.records import CONFLUENT, NotDecodableError, Record, decode_records
from pipelines.stream.transport.schema_registry import number_of_schema, schema_of_number
from pipelines.topic_format import avro_kind


def decode_avro(payloads: Sequence[bytes], table: EventTable) -> Decoded:
    """Return the events that are of the topic's schema, and the others with what is wrong.

    Raises:
        TransportUnavailable: The schema registry does not answer.
    """
    return decode_records(payloads, table.schema(), _decoder(table.encoding_schema, table.registry), "not_avro")


def encode_avro(table: EventTable, events: pa.Table) -> list[bytes]:
    """Return each event as a record; with a registry, its schema's number there before it.

    Raises:
        TransportUnavailable: The schema registry does not answer.
    """
    import fastavro

    schema = _plain(table.encoding_schema)
    head = b""
    if table.registry:
        number = number_of_schema(table.registry, f"{table.topic_name}-value", table.encoding_schema)
        head = b"\0" + number.to_bytes(4, "big")
    kinds = _kinds(table.encoding_schema)  # fields that are no columns take their defaults
    columns = {name: _values(events[name], kinds[name]) for name in events.column_names if name in kinds}
    payloads = []
    for row in range(len(events)):
        buffer = io.BytesIO()
        fastavro.schemaless_writer(buffer, schema, {name: values[row] for name, values in columns.items()})
        payloads.append(head + buffer.getvalue())
    return payloads


@lru_cache(maxsize=64)
def _decoder(declared: str, registry: str) -> Callable[[bytes], Record]:
    import fastavro

    own = _plain(declared)
    scales = {name: 1000 for name, kind in _kinds(declared).items() if kind == "timestamp-millis"}

    def read(payload: bytes, start: int, writer: Any, units: dict[str, int]) -> Record:
        buffer = io.BytesIO(payload)
        buffer.seek(start)
        found: Any = fastavro.schemaless_reader(buffer, writer, own)
        if buffer.tell() != len(payload):
            raise NotDecodableError(f"{len(payload) - buffer.tell()} bytes are left over")
        for name, scale in units.items():
            if found.get(name) is not None:
                found[name] *= scale
        return dict(found)

    def decode(payload: bytes) -> Record:
        if payload[:1] == b"\0" and len(payload) >= CONFLUENT:
            if registry:
                text = schema_of_number(registry, int.from_bytes(payload[1:CONFLUENT], "big"))
                units = {n: 1000 for n, kind in _kinds(text).items() if kind == "timestamp-millis"}
                return read(payload, CONFLUENT, _plain(text), units)
            try:
                return read(payload, CONFLUENT, own, scales)
            except Exception:
                return read(payload, 0, own, scales)  # a record may begin with a zero as well
        return read(payload, 0, own, scales)

    return decode


@lru_cache(maxsize=256)
def _plain(text: str) -> Any:
    """Return a schema whose times are whole numbers: a library's dates end in the year 9999, and raise beyond."""
    import fastavro

    return fastavro.parse_schema(_without_times(json.loads(text)))


def _without_times(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {name: _without_times(part) for name, part in schema.items() if name != "logicalType"}
    return [_without_times(part) for part in schema] if isinstance(schema, list) else schema


def _kinds(text: str) -> dict[str, str]:
    return {field["name"]: avro_kind(field["type"]) for field in json.loads(text)["fields"]}


def _values(column: pa.ChunkedArray, kind: str) -> list[Any]:
    if kind.startswith("timestamp"):
        micros = column.cast(pa.timestamp("us", "UTC")).cast(pa.int64()).to_pylist()
        return [t if t is None or kind.endswith("micros") else t // 1000 for t in micros]
    values: list[Any] = column.to_pylist()
    return values
