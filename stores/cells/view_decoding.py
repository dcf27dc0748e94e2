"""Decodes what Redis returned for several views into columns, every type once for all views.

At 64 requests numpy's fixed cost per call is what counts, so one call decodes all doubles of all views, one all integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from contract.types import TYPES
from stores.cells.column import DTYPES, Column
from stores.cells.decoding import Cell, decode_numbers, decode_objects
from stores.cells.layout import ViewLayout
from stores.cells.reading import Reading, Status, ViewReading
from stores.cells.timestamps import NO_TIMESTAMP, decode_timestamps
from stores.cells.value_types import stored_type

KINDS = {one.value_type: one.kind for one in TYPES.values() if one.value_type}

Columns = list[Sequence[Cell]]
"""The cells of one view: the event times, then one column per feature; each has n rows."""


def decode_views(views: Sequence[tuple[ViewLayout, Columns]], as_of_us: int | npt.NDArray[np.int64] | None) -> Reading:
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
    columns: list[dict[str, Column]] = [{} for _ in views]
    for value_type, places in _by_type([layout for layout, _ in views]).items():
        cells = list(chain.from_iterable(shown[view][1 + feature] for view, feature in places))
        names = ", ".join({views[view][0].name: 0 for view, _ in places})
        kind, values, valid = _decode_type(value_type, cells, f"one of {names}")
        complete = bool(valid.all())
        for number, (view, feature) in enumerate(places):
            part = slice(number * rows, (number + 1) * rows)
            status = row_status[view] if complete else _status(row_status[view], cells[part], valid[part])
            columns[view][views[view][0].features[feature][0]] = Column(kind, values[part], valid[part], status)
    return Reading(
        {
            layout.alias or layout.name: ViewReading(
                {name: columns[i][name] for name in layout.feature_names}, times[i], row_status[i]
            )
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


def _status(
    row_status: npt.NDArray[np.uint8], cells: Sequence[Cell], valid: npt.NDArray[np.bool_]
) -> npt.NDArray[np.uint8]:
    """Return why each value is there or missing; a cell that is there and empty is a null."""
    missing = np.flatnonzero(~valid & (row_status == Status.PRESENT))
    if not len(missing):
        return row_status
    status = row_status.copy()
    for row in missing.tolist():
        status[row] = Status.NOT_FOUND if cells[row] is None else Status.NULL_VALUE
    return status


def _decode_type(
    value_type: str, cells: Sequence[Cell], where: str
) -> tuple[str, npt.NDArray[Any] | list[Any], npt.NDArray[np.bool_]]:
    """Decode cells of one type; return its kind, the values and which are there."""
    stored = stored_type(value_type)
    kind = KINDS[value_type]
    if stored.is_list or stored.group == "text":
        return kind, decode_objects(cells, stored, where), np.fromiter(map(bool, cells), np.bool_, len(cells))
    values, valid = decode_numbers(cells, stored, where)
    if kind == "timestamp":  # Feast stores seconds
        values = values * 1_000_000
    return kind, values.astype(DTYPES[kind], copy=False), valid


def _by_type(layouts: Sequence[ViewLayout]) -> dict[str, list[tuple[int, int]]]:
    """Find the features of each type, as (view, feature) positions."""
    places: dict[str, list[tuple[int, int]]] = {}
    for view, layout in enumerate(layouts):
        for feature, (_, value_type) in enumerate(layout.features):
            places.setdefault(value_type, []).append((view, feature))
    return places
