"""Decodes Feast's cells, many at a time, into numpy arrays and Python lists."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stores.cells.column import EPOCH
from stores.cells.value_types import STORED_TYPES, StoredType
from stores.cells.varint import decode_varints

Cell = bytes | None
"""A cell as Redis returns it: None when the field is not there, b"" when the value is missing."""

_NULL_TIMESTAMP = int(np.iinfo(np.int64).min)
_FIXED_DTYPE = {8: "<f8", 4: "<f4"}
_NO_VALUE = {"fixed": float("nan"), "varint": 0}


class StoredTypeMismatchError(TypeError):
    """A cell holds another type than the view declares."""


def decode_numbers(
    cells: Sequence[Cell], stored: StoredType, where: str = "column"
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


def decode_objects(cells: Sequence[Cell], stored: StoredType, where: str = "column") -> list[Any]:
    """Decode the cells of a text or list type to Python objects, None where missing.

    Text is `str` or `bytes`; a list is a Python list, of aware datetimes for UNIX_TIMESTAMP_LIST.

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
        out.append(_decode_list(content, stored) if stored.is_list else _text(content, stored))
    return out


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


def _decode_list(content: bytes, stored: StoredType) -> list[Any]:
    if not content:
        return []
    if stored.group == "text":
        texts, position = [], 0
        while position < len(content):
            start, length = _length(content, position + 1)
            position = start + length
            texts.append(_text(content[start:position], stored))
        return texts
    start, length = _length(content, 1)
    payload = content[start : start + length]
    if stored.group == "fixed":
        return np.frombuffer(payload, dtype=_FIXED_DTYPE[stored.width]).tolist()
    values = decode_varints(np.frombuffer(payload, dtype=np.uint8))[0].tolist()
    if stored.name == "BOOL_LIST":
        return [bool(value) for value in values]
    if stored.name == "UNIX_TIMESTAMP_LIST":
        return [None if value == _NULL_TIMESTAMP else EPOCH + timedelta(seconds=value) for value in values]
    return values


def _length(data: bytes, position: int) -> tuple[int, int]:
    """Read the varint length at a position; return where its content starts, and the length."""
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
