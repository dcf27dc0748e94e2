"""Encodes the rows that Feast hands to an online store, protobuf messages with a dictionary each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stores.cells.cell_columns import encode_timestamps, strings_of
from stores.cells.feast_row import FeastRow, micros_of
from stores.cells.layout import ViewLayout
from stores.redis.calls import newest_rows
from stores.redis.monotonic import EncodedRows


def encode_feast_rows(layout: ViewLayout, keys: Sequence[bytes], data: Sequence[FeastRow]) -> list[EncodedRows]:
    """Encode the newest row of each key; the last one at equal times.

    Args:
        layout: The view.
        keys: The rows' Redis keys.
        data: The rows. Values may be of any Feast type.

    Returns:
        One batch for each set of features that occurs among the rows; nearly always one.
    """
    micros = np.fromiter((micros_of(when) for _, _, when, _ in data), np.int64, len(data))
    _, newest = newest_rows(strings_of(list(keys)), np.zeros(len(data), np.int64), micros, 1)
    join_keys = {name for name, _ in layout.join_keys}  # among a stream view's features; the key has them already
    groups: dict[tuple[str, ...], list[int]] = {}
    for row in newest[0].tolist():
        groups.setdefault(tuple(data[row][1]), []).append(row)
    return [
        EncodedRows(
            [keys[row] for row in rows],
            [layout.timestamp_field, *map(layout.feature_field, names)],
            [
                encode_timestamps(micros[rows]),
                *([data[row][1][name].SerializeToString() for row in rows] for name in names),
            ],
        )
        for names, rows in ((tuple(n for n in given if n not in join_keys), rows) for given, rows in groups.items())
    ]
