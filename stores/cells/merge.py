"""Puts what a second read answered, or did not, into what a first one gave."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from stores.cells.cell_decoding import KINDS
from stores.cells.column import Column
from stores.cells.layout import ViewLayout
from stores.cells.reading import Status, ViewReading
from stores.cells.timestamps import NO_TIMESTAMP

Rows = npt.NDArray[np.int64]


def unavailable_view(layout: ViewLayout, rows: int) -> ViewReading:
    """Return the reading of a view whose store did not answer."""
    status = np.full(rows, Status.UNAVAILABLE, np.uint8)
    columns = {name: replace(Column.missing(KINDS[kind], rows), status=status) for name, kind in layout.features}
    return ViewReading(columns, np.full(rows, NO_TIMESTAMP, np.int64), status)


def fill_rows(view: ViewReading, rows: Rows, warm: ViewReading) -> ViewReading:
    """Return a view in which some rows are those that the warm store gave, where it has one or did not answer.

    Args:
        view: What the hot store gave.
        rows: int64 (m,), the rows for which the warm store was asked, as they have no value.
        warm: What it gave for them: m rows.
    """
    better = (warm.row_status != Status.NOT_FOUND) | (view.row_status[rows] == Status.NOT_FOUND)
    source = np.flatnonzero(better)
    rows = rows[better]
    return ViewReading(
        {name: _fill_column(column, rows, warm.columns[name], source) for name, column in view.columns.items()},
        _fill(view.event_timestamp_us, rows, warm.event_timestamp_us, source),
        _fill(view.row_status, rows, warm.row_status, source),
    )


def mark_stale(view: ViewReading) -> ViewReading:
    """Return a view whose rows that are there are marked STALE, as are their values."""

    def mark(status: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        return np.where(status == Status.PRESENT, np.uint8(Status.STALE), status)

    columns = {
        name: replace(column, status=mark(_status(column, len(view.row_status))))
        for name, column in view.columns.items()
    }
    return ViewReading(columns, view.event_timestamp_us, mark(view.row_status))


def _status(column: Column, rows: int) -> npt.NDArray[np.uint8]:
    return np.full(rows, Status.PRESENT, np.uint8) if column.status is None else column.status


def _fill_column(column: Column, rows: Rows, warm: Column, source: Rows) -> Column:
    values: npt.NDArray[Any] | list[Any]
    if isinstance(column.values, list):
        values = list(column.values)
        for row, at in zip(rows.tolist(), source.tolist(), strict=True):
            values[row] = warm.values[at]
    else:
        values = _fill(column.values, rows, warm.values, source)
    valid, status = _fill(column.valid, rows, warm.valid, source), _fill(column.status, rows, warm.status, source)
    return Column(column.kind, values, valid, status)


def _fill(old: Any, rows: Rows, new: Any, source: Rows) -> npt.NDArray[Any]:
    filled: npt.NDArray[Any] = old.copy()
    filled[rows] = new[source]
    return filled
