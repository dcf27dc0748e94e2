"""Holds rows of views that share an entity's key as a few matrices, so that many are taken or put with one call each.

A row is kept as it was read without ttl; whether it still holds is judged when it is handed out (rule 9).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from stores.cells.cell_decoding import KINDS
from stores.cells.column import DTYPES, FLOATS, Column
from stores.cells.layout import ViewLayout
from stores.cells.reading import Status, ViewReading
from stores.cells.timestamps import NO_TIMESTAMP

Index = npt.NDArray[np.int64]

_OBJECT: Final = np.dtype(object)


class Rows:
    """Rows of some views, by number.

    Args:
        layouts: The views.
        size: How many rows; all are NOT_FOUND until others are put there.
    """

    def __init__(self, layouts: Sequence[ViewLayout], size: int) -> None:
        self._layouts = layouts
        self._places: list[list[tuple[str, str, np.dtype[Any], int]]] = []
        widths: dict[np.dtype[Any], int] = {}
        for layout in layouts:
            places = []
            for name, value_type in layout.features:
                kind = KINDS[value_type]
                stored: Any = DTYPES.get(kind, object)
                dtype: np.dtype[Any] = np.dtype(stored)
                places.append((name, kind, dtype, widths.setdefault(dtype, 0)))
                widths[dtype] += 1
            self._places.append(places)
        self._widths = widths
        self._allocate(size)

    def alike(self, size: int) -> Rows:
        """Return so many rows of the same views, all NOT_FOUND."""
        rows = Rows.__new__(Rows)
        rows._layouts, rows._places, rows._widths = self._layouts, self._places, self._widths
        rows._allocate(size)
        return rows

    def _allocate(self, size: int) -> None:
        self._values: dict[np.dtype[Any], npt.NDArray[Any]] = {
            dtype: np.full((size, width), None if dtype == _OBJECT else np.nan if dtype.kind == "f" else 0, dtype)
            for dtype, width in self._widths.items()
        }
        self._status = np.full((size, sum(map(len, self._places))), Status.NOT_FOUND, np.uint8)
        self._times = np.full((size, len(self._layouts)), NO_TIMESTAMP, np.int64)
        self._row_status = np.full((size, len(self._layouts)), Status.NOT_FOUND, np.uint8)

    @property
    def row_bytes(self) -> int:
        """The bytes of one row, without its texts and lists."""
        return sum(matrix.dtype.itemsize * matrix.shape[1] for matrix in self._matrices())

    def put(self, at: Index, other: Rows, rows: Index) -> None:
        """Put rows of others of the same views at these places."""
        for mine, theirs in zip(self._matrices(), other._matrices(), strict=True):
            mine[at] = theirs[rows]

    def clear(self, row: int) -> None:
        """Let go of the texts and lists of a row."""
        if _OBJECT in self._values:
            self._values[_OBJECT][row] = None

    def fill(self, views: Mapping[str, ViewReading]) -> None:
        """Put what a reader gave without ttl, by the views' names or aliases, from row 0 on; it has `size` rows or more."""
        size, feature = len(self._times), 0
        for view, (layout, places) in enumerate(zip(self._layouts, self._places, strict=True)):
            reading = views[layout.alias or layout.name]
            self._times[:, view] = reading.event_timestamp_us[:size]
            self._row_status[:, view] = reading.row_status[:size]
            for name, _, dtype, place in places:
                column, matrix = reading.columns[name], self._values[dtype]
                if dtype == _OBJECT:
                    for row, value in enumerate(column.values[:size]):
                        matrix[row, place] = value
                else:
                    matrix[:, place] = column.values[:size]
                self._status[:, feature] = column.status[:size] if column.status is not None else Status.PRESENT
                feature += 1

    def mark(self, at: Index, status: Status) -> None:
        """Give rows a status: UNAVAILABLE takes all values away, STALE marks those that are there."""
        for matrix in (self._status, self._row_status):
            some = matrix[at]
            matrix[at] = np.where(some == Status.PRESENT, status, some) if status == Status.STALE else status

    def unavailable(self) -> npt.NDArray[np.bool_]:
        """Return the rows of which the store of a view did not answer: shape (size,)."""
        found: npt.NDArray[np.bool_] = (self._row_status == Status.UNAVAILABLE).any(axis=1)
        return found

    def doubtful(self) -> npt.NDArray[np.bool_]:
        """Return the rows of which a view's store did not answer, or another tier did instead: shape (size,)."""
        stale: npt.NDArray[np.bool_] = (self._row_status == Status.STALE).any(axis=1)
        return self.unavailable() | stale

    def object_bytes(self) -> npt.NDArray[np.int64]:
        """Return the bytes of each row's texts and lists: shape (size,)."""
        if _OBJECT not in self._values:
            return np.zeros(len(self._times), np.int64)
        return np.array([sum(map(_weigh, row)) for row in self._values[_OBJECT].tolist()], np.int64)

    def readings(self, at: Index, as_of_us: int | npt.NDArray[np.int64] | None) -> dict[str, ViewReading]:
        """Hand out rows, one for each of `at`, as a reader does: those that are past their ttl have no value."""
        values = {dtype: matrix[at] for dtype, matrix in self._values.items()}
        status, times, row_status = self._status[at], self._times[at], self._row_status[at]
        there = (status == Status.PRESENT) | (status == Status.STALE)
        found, feature = {}, 0
        for view, (layout, places) in enumerate(zip(self._layouts, self._places, strict=True)):
            gone = None
            if layout.ttl_us and as_of_us is not None:
                here = (row_status[:, view] == Status.PRESENT) | (row_status[:, view] == Status.STALE)
                gone = here & (times[:, view] < as_of_us - layout.ttl_us)
                row_status[gone, view] = Status.OUTSIDE_MAX_AGE
                gone = gone if gone.any() else None
            whole = gone is None and bool(there.all())
            columns = {}
            for name, kind, dtype, place in places:
                if gone is not None:
                    status[gone, feature] = Status.OUTSIDE_MAX_AGE
                    there[gone, feature] = False
                column: npt.NDArray[Any] = values[dtype][:, place]
                if not whole and kind in FLOATS:
                    column[~there[:, feature]] = np.nan
                shown = column.tolist() if dtype == _OBJECT else column
                columns[name] = Column(kind, shown, there[:, feature], status[:, feature])
                feature += 1
            found[layout.alias or layout.name] = ViewReading(columns, times[:, view], row_status[:, view])
        return found

    def _matrices(self) -> list[npt.NDArray[Any]]:
        return [*self._values.values(), self._status, self._times, self._row_status]


def _weigh(value: Any) -> int:
    if isinstance(value, list | set):
        return sys.getsizeof(value) + sum(map(_weigh, value))
    if isinstance(value, dict):
        return sys.getsizeof(value) + sum(map(_weigh, (*value, *value.values())))
    return sys.getsizeof(value) if value is not None else 0
