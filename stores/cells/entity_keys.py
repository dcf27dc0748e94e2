"""Encodes entity keys, many at a time, into Feast's Redis keys (entity key serialization, version 3).

A key is: the number of join keys; each join key's name, sorted; each value with its type and length; the project.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stores.cells.layout import JOIN_KEYS, check_join_key

if TYPE_CHECKING:
    from stores.cells.cell_columns import Strings

_TOO_WIDE = "%s: a value does not fit %d bits; declare the join key as INT64."

Values = Sequence[Any] | npt.NDArray[Any]


class EntityKeyError(ValueError):
    """A join key is absent or has a value that cannot be one; the message names it."""


class EntityKeyEncoder:
    """Encodes the values of one set of join keys to Redis keys.

    Args:
        project: Feast's project.
        join_keys: Names with Feast `ValueType` names; STRING, BYTES, INT32, INT64 or UNIX_TIMESTAMP.

    Raises:
        LayoutError: A join key has a type that Feast cannot serialize.
    """

    def __init__(self, project: str, join_keys: Sequence[tuple[str, str]]) -> None:
        for name, value_type in join_keys:
            check_join_key(name, value_type)
        self._join_keys = sorted(join_keys)
        names = [name.encode() for name, _ in self._join_keys]
        self._head = struct.pack("<I", len(names)) + b"".join(struct.pack("<2I", 2, len(n)) + n for n in names)
        self._tail = project.encode()

    def encode(self, columns: Mapping[str, Values]) -> list[bytes | None]:
        """Encode one key per row; None for a row in which a join key's value is null (None or NaN).

        Raises:
            EntityKeyError: A join key has no column, the columns differ in length, or a value does not fit its type.
        """
        parts = []
        for name, value_type in self._join_keys:
            if name not in columns:
                raise EntityKeyError(f"join key {name} is absent; give its values, have {sorted(columns)}.")
            parts.append(_encode_values(name, value_type, columns[name]))
        head, tail = self._head, self._tail
        if len(parts) == 1:
            return [None if value is None else head + value + tail for value in parts[0]]
        lengths = {name: len(part) for (name, _), part in zip(self._join_keys, parts, strict=True)}
        if len(set(lengths.values())) > 1:
            raise EntityKeyError(f"join keys have different numbers of rows: {lengths}; give one value per row.")
        rows = zip(*parts, strict=True)
        return [None if None in row else head + b"".join(row) + tail for row in rows]

    def encode_arrays(self, columns: Mapping[str, pa.Array]) -> Strings:
        """Encode one key per row from Arrow arrays without nulls, text for text keys and integers for the others.

        Raises:
            EntityKeyError: A value does not fit its type.
        """
        from stores.cells.cell_columns import CellColumns  # compiled code, which a reader never needs

        cells, rows = CellColumns(), 0
        cells.add_constant(self._head)
        for name, value_type in self._join_keys:
            number, code = JOIN_KEYS[value_type]
            try:
                array = columns[name].cast(pa.binary() if not code else pa.int32() if code == "<i4" else pa.int64())
            except pa.ArrowInvalid:
                raise EntityKeyError(_TOO_WIDE % (name, 32 if code == "<i4" else 64)) from None
            rows = len(array)
            cells.add_key(array, number, np.dtype(code).itemsize if code else 0)
        cells.add_constant(self._tail)
        return cells.rows(np.arange(rows).reshape(1, -1), named=False)


def _encode_values(name: str, value_type: str, values: Values) -> list[bytes | None]:
    number, code = JOIN_KEYS[value_type]
    if code:
        return _encode_integers(name, number, code, values)
    head = struct.pack("<I", number)
    rows = values.tolist() if isinstance(values, np.ndarray) else values
    if value_type == "BYTES":
        return [None if value is None else head + struct.pack("<I", len(value)) + value for value in rows]
    out: list[bytes | None] = []
    for value in rows:
        if value is None or value != value:  # NaN is what pandas makes of a missing text
            out.append(None)
            continue
        text = value.encode() if type(value) is str else str(value).encode()  # Feast writes str(7) as well
        out.append(head + len(text).to_bytes(4, "little") + text)
    return out


def _encode_integers(name: str, number: int, code: str, values: Values) -> list[bytes | None]:
    array = np.asarray(values)
    if array.dtype.kind == "M":
        array = array.astype("datetime64[s]").astype(np.int64)
    if array.dtype.kind not in "iu":
        return _encode_mixed_integers(name, number, code, array.tolist())
    if len(array) and not np.can_cast(array.dtype, code):
        bounds = np.iinfo(code)
        if int(array.min()) < bounds.min or int(array.max()) > bounds.max:
            raise EntityKeyError(_TOO_WIDE % (name, bounds.bits))
    width = np.dtype(code).itemsize
    rows = np.empty((len(array), 8 + width), dtype=np.uint8)
    rows[:, :8] = np.frombuffer(struct.pack("<2I", number, width), dtype=np.uint8)
    rows[:, 8:] = np.ascontiguousarray(array.astype(code)).view(np.uint8).reshape(len(array), width)
    cells: list[bytes | None] = rows.view(f"V{8 + width}").ravel().tolist()
    return cells


def _encode_mixed_integers(name: str, number: int, code: str, values: list[Any]) -> list[bytes | None]:
    """Encode numbers among which some are null, or that came as floats or datetimes."""
    missing = [value is None or value != value for value in values]
    whole: list[int] = []
    for value, null in zip(values, missing, strict=True):
        number_ = 0 if null else int(value.timestamp()) if hasattr(value, "timestamp") else value
        if isinstance(number_, str | bytes) or int(number_) != number_:
            raise EntityKeyError(f"{name}: {value!r} is not a whole number; give an integer, or declare it as STRING.")
        whole.append(int(number_))
    encoded = _encode_integers(name, number, code, np.asarray(whole, dtype=np.int64))
    return [None if null else cell for cell, null in zip(encoded, missing, strict=True)]
