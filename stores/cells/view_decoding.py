"""Decodes what Redis returned for several views into columns, every type once for all views.

At 64 requests numpy's fixed cost per call is what counts, so one call decodes all doubles of all views, one all integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from contract.types import TYPES
from stores.cells.column import DTYPES, EPOCH, Column
from stores.cells.layout import ViewLayout
from stores.cells.reading import Reading, Status, ViewReading
from stores.cells.timestamps import NO_TIMESTAMP, decode_timestamps
from stores.cells.value_types import STORED_TYPES, StoredType, stored_type
from stores.cells.varint import decode_varints

KINDS = {one.value_type: one.kind for one in TYPES.values() if one.value_type}

Cell = bytes | None
"""A cell as Redis returns it: None when the field is not there, b"" when the value is missing."""

Columns = list[Sequence[Cell]]
"""The cells of one view: the event times, then one column per feature; each has n rows."""

_FOR_EVER = 2**62
_NULL_TIMESTAMP = int(np.iinfo(np.int64).min)
_FIXED_DTYPE = {8: "<f8", 4: "<f4"}
_NO_VALUE = {"fixed": float("nan"), "varint": 0}


class StoredTypeMismatchError(TypeError):
    """A cell holds another type than the view declares."""


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
            kind, values, valid = _decode_type(typed.value_type, cells, typed.where)
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


def _decode_type(
    value_type: str, cells: Sequence[Cell], where: str
) -> tuple[str, npt.NDArray[Any] | list[Any], npt.NDArray[np.bool_]]:
    """Decode cells of one type; return its kind, the values and which are there."""
    stored = stored_type(value_type)
    kind = KINDS[value_type]
    if stored.is_list and stored.group != "text":
        return kind, _decode_number_lists(cells, stored, where), np.fromiter(map(bool, cells), np.bool_, len(cells))
    if stored.group == "text":
        return kind, _decode_objects(cells, stored, where), np.fromiter(map(bool, cells), np.bool_, len(cells))
    values, valid = _decode_numbers(cells, stored, where)
    if kind == "timestamp":  # Feast stores seconds
        values = values * 1_000_000
    return kind, values.astype(DTYPES[kind], copy=False), valid


def _decode_numbers(
    cells: Sequence[Cell], stored: StoredType, where: str
) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
    """Decode the cells of a number, BOOL or UNIX_TIMESTAMP type.

    Returns:
        The values, shape (n,): float64 or float32 with NaN where missing; int64 with 0 where missing (bool for BOOL,
        seconds for UNIX_TIMESTAMP). And which are there, bool, shape (n,).

    Raises:
        StoredTypeMismatchError: A cell was written with another type.
    """
    if all(cells):
        full: Sequence[bytes] = cells  # type: ignore[assignment]  # all() leaves no None
        return _finish(_decode_full(full, stored, where), np.ones(len(cells), dtype=np.bool_), stored)
    valid = np.fromiter(map(bool, cells), np.bool_, len(cells))
    present = _decode_full([cell for cell in cells if cell], stored, where)
    values = np.full(len(cells), _NO_VALUE[stored.group], dtype=present.dtype)
    values[valid] = present
    return _finish(values, valid, stored)


def _decode_objects(cells: Sequence[Cell], stored: StoredType, where: str) -> list[Any]:
    """Decode the cells of a text type, or of a list of one, to `str` or `bytes` or lists of them, None where missing.

    Raises:
        StoredTypeMismatchError: A cell was written with another type.
    """
    skip = len(stored.tag)
    out: list[Any] = []
    for cell in cells:
        if not cell:
            out.append(None)
            continue
        if not cell.startswith(stored.tag):
            raise _mismatch(cell, stored, where)
        start, length = _length(cell, skip)
        content = cell[start : start + length]
        out.append(_decode_texts(content, stored) if stored.is_list else _text(content, stored))
    return out


def _decode_number_lists(cells: Sequence[Cell], stored: StoredType, where: str) -> list[Any]:
    """Decode the cells of a list of numbers, all of them at once, to Python lists, None where missing.

    UNIX_TIMESTAMP_LIST gives aware datetimes.

    Raises:
        StoredTypeMismatchError: A cell was written with another type.
    """
    skip = len(stored.tag)
    out: list[Any] = [None] * len(cells)
    rows, payloads = [], []
    for row, cell in enumerate(cells):
        if cell:
            if not cell.startswith(stored.tag):
                raise _mismatch(cell, stored, where)
            start, length = _length(cell, skip)
            if not length:
                out[row] = []
                continue
            start, length = _length(cell, start + 1)
            rows.append(row)
            payloads.append(cell[start : start + length])
    data = np.frombuffer(b"".join(payloads), dtype=np.uint8)
    ends = np.cumsum(np.fromiter(map(len, payloads), np.int64, len(payloads)))
    if stored.group == "fixed":
        values, bounds = data.view(_FIXED_DTYPE[stored.width]).tolist(), (ends // stored.width).tolist()
    else:
        numbers, stops = decode_varints(data)
        values, bounds = _as_listed(numbers.tolist(), stored), np.searchsorted(stops, ends, "right").tolist()
    for row, start, stop in zip(rows, [0, *bounds], bounds, strict=False):
        out[row] = values[start:stop]
    return out


def _as_listed(values: list[int], stored: StoredType) -> list[Any]:
    if stored.name == "BOOL_LIST":
        return [bool(value) for value in values]
    if stored.name == "UNIX_TIMESTAMP_LIST":
        return [None if value == _NULL_TIMESTAMP else EPOCH + timedelta(seconds=value) for value in values]
    return values


def _decode_full(cells: Sequence[bytes], stored: StoredType, where: str) -> npt.NDArray[Any]:
    data = np.frombuffer(b"".join(cells), dtype=np.uint8)
    tag = stored.tag[0]
    if stored.group == "fixed":
        width = 1 + stored.width
        if len(data) == width * len(cells):
            rows = data.reshape(len(cells), width)
            if (rows[:, 0] == tag).all():
                return np.ascontiguousarray(rows[:, 1:]).view(_FIXED_DTYPE[stored.width]).ravel()
    elif all(cell[0] == tag for cell in cells):
        numbers, _ = decode_varints(data)  # a tag below 0x80 is itself a varint
        if len(numbers) == 2 * len(cells):
            return numbers[1::2]
    wrong = next(cell for cell in cells if cell[0] != tag)
    raise _mismatch(wrong, stored, where)


def _finish(
    values: npt.NDArray[Any], valid: npt.NDArray[np.bool_], stored: StoredType
) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
    if stored.arrow == pa.bool_():
        return values != 0, valid
    if stored.name == "UNIX_TIMESTAMP":  # Feast's Arrow path writes a null time as the smallest int64
        null = values == _NULL_TIMESTAMP
        if null.any():
            return np.where(null, 0, values), valid & ~null
    return values, valid


def _decode_texts(content: bytes, stored: StoredType) -> list[Any]:
    texts, position = [], 0
    while position < len(content):
        start, length = _length(content, position + 1)
        position = start + length
        texts.append(_text(content[start:position], stored))
    return texts


def _length(data: bytes, position: int) -> tuple[int, int]:
    """Read the varint length at a position; return where its content starts, and the length."""
    if data[position] < 0x80:
        return position + 1, data[position]
    length = shift = 0
    while True:
        byte = data[position]
        position += 1
        length |= (byte & 0x7F) << shift
        if byte < 0x80:
            return position, length
        shift += 7


def _text(content: bytes, stored: StoredType) -> str | bytes:
    return content.decode() if stored.element == pa.string() else content


def _mismatch(cell: bytes, stored: StoredType, where: str) -> StoredTypeMismatchError:
    found = next((other.name for other in STORED_TYPES.values() if cell.startswith(other.tag)), "another type")
    return StoredTypeMismatchError(
        f"{where}: Redis holds {found}, the view declares {stored.name}; "
        "materialize the view again after changing a type."
    )
