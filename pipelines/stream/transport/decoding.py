"""Turns payloads into a table, by the encoding that the source declares."""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.plan import EventTable
from pipelines.stream.transport.codec import Decoded, decode_json


def decode_events(payloads: Sequence[bytes], table: EventTable) -> Decoded:
    """Return the events that fit the topic's schema, and the others with what is wrong."""
    return decode_json(payloads, table.schema())
