"""Decodes what Redis returned for several views into columns, every type once for all views.

At 64 requests numpy's fixed cost per call is what counts, so one call decodes all doubles of all views, one all integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt

from stores.cells.cell_decoding import Cell, decode_cells
from stores.cells.column import Column
from stores.cells.layout import ViewLayout
from stores.cells.reading import Reading, Status, ViewReading
from stores.cells.timestamps import NO_TIMESTAMP, decode_timestamps

Columns = list[Sequence[Cell]]
"""The cells of one view: the event times, then one column per feature; each has n rows."""

_FOR_EVER = 2**62


@dataclass(frozen=True, slots=True)
class _Typed:
    """The features of one type.

    Attributes:
        value_type: The type.
        places: Where they are: the view's number, the feature's, and its name.
        where: Names the views, for an error.
    """

    value_type: str
    places: tuple[tuple[int, int, str], ...]
    where: str


class ViewDecoder:
    """Decodes the cells of some views, again and again; what can be known beforehand is.

    Args:
        layouts: The views.
    """

    def __init__(self, layouts: Sequence[ViewLayout]) -> None:
        self._names = [layout.alias or layout.name for layout in layouts]
        self._features = [layout.feature_names for layout in layouts]
        self._ttl = np.array([[layout.ttl_us or _FOR_EVER] for layout in layouts], np.int64)
        places: dict[str, list[tuple[int, int, str]]] = {}
        for view, layout in enumerate(layouts):
            for feature, (name, value_type) in enumerate(layout.features):
                places.setdefault(value_type, []).append((view, feature, name))
        self._types = [
            _Typed(value_type, tuple(some), f"one of {', '.join({layouts[view].name: 0 for view, _, _ in some})}")
            for value_type, some in places.items()
        ]

    def decode(self, views: Sequence[Columns], as_of_us: int | npt.NDArray[np.int64] | None) -> Reading:
        """Decode cells.

        Args:
            views: The cells of each view, all with the same number of rows.
            as_of_us: int64 microseconds UTC, one for all or shape (n,); a row holds while
                `event_timestamp >= as_of - ttl`. None applies no ttl.

        Raises:
            StoredTypeMismatchError: Redis holds another type than a view declares.
        """
        rows = len(views[0][0]) if views else 0
        times = decode_timestamps(list(chain.from_iterable(columns[0] for columns in views))).reshape(len(views), rows)
        row_status = self._row_status(times, as_of_us)
        gone = (row_status != Status.PRESENT).any(axis=1).tolist()
        shown = [_hide(one, row_status[view]) if gone[view] else one for view, one in enumerate(views)]
        columns: list[dict[str, Column]] = [dict.fromkeys(names) for names in self._features]  # type: ignore[misc]
        for typed in self._types:
            cells = list(chain.from_iterable([shown[view][1 + feature] for view, feature, _ in typed.places]))
            kind, values, valid = decode_cells(typed.value_type, cells, typed.where)
            complete = bool(valid.all())
            start = 0
            for view, _, name in typed.places:
                part = slice(start, start := start + rows)
                status = row_status[view] if complete else _status(row_status[view], cells[part], valid[part])
                columns[view][name] = Column(kind, values[part], valid[part], status)
        read = zip(self._names, columns, times, row_status, strict=True)
        return Reading({name: ViewReading(found, time, status) for name, found, time, status in read})

    def _row_status(
        self, times: npt.NDArray[np.int64], as_of_us: int | npt.NDArray[np.int64] | None
    ) -> npt.NDArray[np.uint8]:
        status = np.full(times.shape, Status.PRESENT, np.uint8)
        if as_of_us is not None:
            status[times < as_of_us - self._ttl] = Status.OUTSIDE_MAX_AGE
        status[times == NO_TIMESTAMP] = Status.NOT_FOUND
        return status


def _hide(columns: Columns, row_status: npt.NDArray[np.uint8]) -> Columns:
    """Take away the cells of rows that do not count."""
    hidden = (row_status != Status.PRESENT).tolist()
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
