"""Decodes what Redis returned for several views into columns, every type once for all views.

At 64 requests numpy's fixed cost per call is what counts, so one call decodes all doubles of all views, one all integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from stores.cells.decoding import Cell, decode_numbers, decode_objects
from stores.cells.layout import ViewLayout
from stores.cells.timestamps import NO_TIMESTAMP, decode_timestamps
from stores.cells.value_types import stored_type
from stores.cells.view_rows import OnlineRows, Status, ViewRows

Columns = list[Sequence[Cell]]
"""The cells of one view: the event times, then one column per feature; each has n rows."""


def decode_views(
    views: Sequence[tuple[ViewLayout, Columns]], as_of_us: int | npt.NDArray[np.int64] | None
) -> OnlineRows:
    """Decode the cells of views.

    Args:
        views: Layouts with their cells, all with the same number of rows.
        as_of_us: int64 microseconds UTC, one for all or shape (n,); a row holds while
            `event_timestamp >= as_of - ttl`. None applies no ttl.

    Raises:
        StoredTypeMismatchError: Redis holds another type than a view declares.
    """
    rows = len(views[0][1][0]) if views else 0
    times = decode_timestamps(list(chain.from_iterable(columns[0] for _, columns in views))).reshape(len(views), rows)
    row_status = [_row_status(layout, time, as_of_us) for (layout, _), time in zip(views, times, strict=True)]
    shown = [_hide(columns, status) for (_, columns), status in zip(views, row_status, strict=True)]
    values: list[dict[str, npt.NDArray[Any]]] = [{} for _ in views]
    statuses = [
        np.repeat(status[:, None], len(layout.features), axis=1)
        for (layout, _), status in zip(views, row_status, strict=True)
    ]
    for value_type, places in _by_type([layout for layout, _ in views]).items():
        cells = list(chain.from_iterable(shown[view][1 + feature] for view, feature in places))
        block, valid = _decode_block(value_type, cells, f"one of {', '.join({views[v][0].name: 0 for v, _ in places})}")
        complete = bool(valid.all())
        for number, (view, feature) in enumerate(places):
            part = slice(number * rows, (number + 1) * rows)
            values[view][views[view][0].features[feature][0]] = block[part]
            if not complete:
                _mark_missing(statuses[view][:, feature], cells[part], valid[part])
    return OnlineRows(
        {
            layout.name: ViewRows(layout.name, layout.features, values[i], times[i], row_status[i], statuses[i])
            for i, (layout, _) in enumerate(views)
        }
    )


def _row_status(
    layout: ViewLayout, times: npt.NDArray[np.int64], as_of_us: int | npt.NDArray[np.int64] | None
) -> npt.NDArray[np.uint8]:
    status = np.where(times == NO_TIMESTAMP, np.uint8(Status.NOT_FOUND), np.uint8(Status.PRESENT))
    if layout.ttl_us and as_of_us is not None:
        status[(times < as_of_us - layout.ttl_us) & (times != NO_TIMESTAMP)] = Status.OUTSIDE_MAX_AGE
    return status


def _hide(columns: Columns, row_status: npt.NDArray[np.uint8]) -> Columns:
    """Take away the cells of rows that do not count."""
    gone = row_status != Status.PRESENT
    if not gone.any():
        return columns
    hidden = gone.tolist()
    return [[None if hide else cell for hide, cell in zip(hidden, cells, strict=True)] for cells in columns]


def _mark_missing(status: npt.NDArray[np.uint8], cells: Sequence[Cell], valid: npt.NDArray[np.bool_]) -> None:
    missing = ~valid & (status == Status.PRESENT)
    for row in np.flatnonzero(missing).tolist():
        status[row] = Status.NOT_FOUND if cells[row] is None else Status.NULL_VALUE


def _decode_block(value_type: str, cells: Sequence[Cell], where: str) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
    stored = stored_type(value_type)
    if not stored.is_list and stored.group != "text":
        return decode_numbers(cells, stored, where)
    objects = np.empty(len(cells), dtype=object)
    for row, value in enumerate(decode_objects(cells, stored, where)):
        objects[row] = value
    return objects, np.fromiter(map(bool, cells), np.bool_, len(cells))


def _by_type(layouts: Sequence[ViewLayout]) -> dict[str, list[tuple[int, int]]]:
    """Find the features of each type, as (view, feature) positions."""
    places: dict[str, list[tuple[int, int]]] = {}
    for view, layout in enumerate(layouts):
        for feature, (_, value_type) in enumerate(layout.features):
            places.setdefault(value_type, []).append((view, feature))
    return places
