"""Decodes the cells of one value type, as many as there are, into values and which of them are there."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import timedelta
from decimal import Decimal
from functools import cache
from typing import Any, Final
from uuid import UUID

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from contract.types import TYPES
from stores.cells.column import DTYPES, EPOCH
from stores.cells.messages import decode_message
from stores.cells.value_types import STORED_TYPES, StoredType, stored_type
from stores.cells.varint import decode_varints

KINDS = {one.value_type: one.kind for one in TYPES.values() if one.value_type}

Cell = bytes | None
"""A cell as Redis returns it: None when the field is not there, b"" when the value is missing."""

_NULL_TIMESTAMP = int(np.iinfo(np.int64).min)
_FIXED_DTYPE = {8: "<f8", 4: "<f4"}
_NO_VALUE = {"fixed": float("nan"), "varint": 0}


class StoredTypeMismatchError(TypeError):
    """A cell holds another type than the view declares."""


def decode_cells(
    value_type: str, cells: Sequence[Cell], where: str
) -> tuple[str, npt.NDArray[Any] | list[Any], npt.NDArray[np.bool_]]:
    """Decode cells of one type; return its kind, the values and which are there, shape (n,) both.

    Raises:
        StoredTypeMismatchError: A cell was written with another type; the error begins with `where`.
    """
    stored = stored_type(value_type)
    kind = KINDS[value_type]
    if stored.is_list or stored.group == "text":
        decode = _decode_objects if stored.group == "text" else _decode_number_lists
        values: list[Any] = decode(cells, stored, where)
        if stored.is_set:
            values = [None if value is None else set(value) for value in values]
        there = map(bool, cells) if stored.content == "plain" else (value is not None for value in values)
        return kind, values, np.fromiter(there, np.bool_, len(cells))
    numbers, valid = _decode_numbers(cells, stored, where)
    if kind == "timestamp":  # Feast stores seconds
        numbers = numbers * 1_000_000
    return kind, numbers.astype(DTYPES[kind], copy=False), valid


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
    """Decode the cells of a text type, or of a list of one, to what Feast's clients get of them, None where missing.

    Raises:
        StoredTypeMismatchError: A cell was written with another type.
    """
    skip, read = len(stored.tag), _reader(stored)
    out: list[Any] = []
    for cell in cells:
        if not cell:
            out.append(None)
            continue
        if not cell.startswith(stored.tag):
            raise _mismatch(cell, stored, where)
        if stored.content == "message":
            out.append(decode_message(cell))
            continue
        start, length = _length(cell, skip)
        content = cell[start : start + length]
        out.append(_decode_texts(content, read) if stored.is_list else read(content))
    return out


def _decode_number_lists(cells: Sequence[Cell], stored: StoredType, where: str) -> list[Any]:
    """Decode the cells of a list of numbers, all of them at once, to Python lists, None where missing.

    Times are aware datetimes.

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
    if stored.element == pa.bool_():
        return [bool(value) for value in values]
    if pa.types.is_timestamp(stored.element):
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


def _decode_texts(content: bytes, read: Callable[[bytes], Any]) -> list[Any]:
    texts, position = [], 0
    while position < len(content):
        start, length = _length(content, position + 1)
        position = start + length
        texts.append(read(content[start:position]))
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


@cache
def _reader(stored: StoredType) -> Callable[[bytes], Any]:
    """Return what makes a value of the bytes of a text."""
    if stored.element == pa.binary():
        return bytes
    if stored.content == "plain":
        return bytes.decode
    read = _READ[stored.content]
    return lambda content: read(content.decode())


def _json(text: str) -> Any:
    """Read JSON; what another client stored and is none is a text, as for Feast."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


_READ: Final[dict[str, Callable[[str], Any]]] = {
    "json": _json,
    "uuid": lambda text: UUID(text) if text else None,  # Feast writes a null inside of a list as no text
    "decimal": lambda text: Decimal(text) if text else None,
}


def _mismatch(cell: bytes, stored: StoredType, where: str) -> StoredTypeMismatchError:
    found = next((other.name for other in STORED_TYPES.values() if cell.startswith(other.tag)), "another type")
    return StoredTypeMismatchError(
        f"{where}: Redis holds {found}, the view declares {stored.name}; "
        "materialize the view again after changing a type."
    )
