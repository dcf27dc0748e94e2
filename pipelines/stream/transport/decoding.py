"""Turns payloads into a table and back, by the encoding that the source declares."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from pipelines.plan import EventTable
from pipelines.stream.transport.codec import Decoded, decode_json, encode_events


def decode_events(payloads: Sequence[bytes], table: EventTable) -> Decoded:
    """Return the events that fit the topic's schema, and the others with what is wrong."""
    return decode_json(payloads, table.schema())


def encode_for(table: EventTable, events: pa.Table) -> list[bytes]:
    """Return each event as the topic's readers expect it."""
    return encode_events(events)
