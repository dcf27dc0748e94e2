"""Turns payloads into a table and back, by the encoding that the source declares."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from pipelines.plan import EventTable
from pipelines.stream.transport.avro import decode_avro, encode_avro
from pipelines.stream.transport.codec import Decoded, decode_json, encode_events
from pipelines.stream.transport.protobuf import decode_protobuf, encode_protobuf


def decode_events(payloads: Sequence[bytes], table: EventTable) -> Decoded:
    """Return the events that fit the topic's schema, and the others with what is wrong.

    Raises:
        TransportUnavailable: A schema registry is needed and does not answer.
    """
    if table.encoding == "avro":
        return decode_avro(payloads, table)
    if table.encoding == "protobuf":
        return decode_protobuf(payloads, table)
    return decode_json(payloads, table.schema())


def encode_for(table: EventTable, events: pa.Table) -> list[bytes]:
    """Return each event as the topic's readers expect it.

    Raises:
        TransportUnavailable: A schema registry is needed and does not answer.
    """
    if table.encoding == "avro":
        return encode_avro(table, events)
    return encode_protobuf(table, events) if table.encoding == "protobuf" else encode_events(events)
