"""Turns rows into Feast's DynamoDB items and back.

An item is `entity_id` (murmur3, 128 bits, of the serialized entity key, in hex), `event_ts` (text) and `values`, a map from
feature to serialized `Value`. Source: feast/infra/online_stores/dynamodb.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import mmh3

from stores.cells.cell_decoding import Cell
from stores.cells.column import EPOCH
from stores.cells.feast_row import micros_of
from stores.cells.timestamps import encode_timestamp

Item = Mapping[str, Any]
"""An item as botocore gives and takes it, each value under its type: `{"entity_id": {"S": "..."}}`."""


def entity_id(key: bytes) -> str:
    """Return the id of a serialized entity key (`EntityKeyEncoder` of no project)."""
    return mmh3.hash_bytes(key).hex()


def event_text(micros: int) -> str:
    """Return an event time, microseconds since the epoch, as Feast writes it: texts of UTC order as their times do.

    >>> event_text(0), event_text(1)
    ('1970-01-01 00:00:00+00:00', '1970-01-01 00:00:00.000001+00:00')
    >>> event_text(0) < event_text(1) < event_text(1_000_000)
    True
    """
    return str(EPOCH + timedelta(microseconds=micros))


def event_micros(text: str) -> int:
    """Return the time that `event_text`, or Feast in any zone, wrote: microseconds since the epoch."""
    return micros_of(datetime.fromisoformat(text))


def item_of(entity: str, micros: int, cells: Iterable[tuple[str, bytes]]) -> Item:
    """Return the item of a row.

    Args:
        entity: From `entity_id`.
        micros: The event time, microseconds since the epoch.
        cells: Features with their serialized `Value`s; b"" for null.
    """
    return {
        "entity_id": {"S": entity},
        "event_ts": {"S": event_text(micros)},
        "values": {"M": {name: {"B": cell} for name, cell in cells}},
    }


def row_of(item: Item | None, names: Sequence[str]) -> list[Cell]:
    """Return the cells of features, then the event time, serialized: what Redis would have given; None for what is not there."""
    if item is None:
        return [None] * (len(names) + 1)
    values = item["values"]["M"] if "values" in item else {}
    cells: list[Cell] = [values[name]["B"] if name in values else None for name in names]
    cells.append(encode_timestamp(event_micros(item["event_ts"]["S"])))
    return cells
