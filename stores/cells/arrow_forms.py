"""Brings Arrow columns, as logs and frames have them, into the Arrow type that cells are written from."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal, DecimalException
from typing import Any, Final
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc

from stores.cells.messages import encode_messages
from stores.cells.value_types import StoredType


def stored_form(column: pa.Array | pa.ChunkedArray, stored: StoredType, where: str) -> pa.Array:
    """Return a column in the Arrow type of a value type.

    JSON may be text or anything that can be written as such; a UUID text or 16 bytes; a decimal text, an integer or Arrow's
    decimal; a set a list, of which repeated elements and nulls are left out. Maps, structs, nested lists and zoned times become
    messages of Feast's.

    Args:
        column: The values.
        stored: The value type.
        where: Names the column in errors, such as `user_activity.dwell_sum_1h`.

    Raises:
        TypeError: The values cannot be cast without loss.
    """
    array = _whole(column)
    if array.type == stored.arrow and stored.content == "plain" and not stored.is_set:
        return array
    try:
        if stored.content == "message":
            cells = encode_messages(array.to_pylist(maps_as_pydicts="strict"), stored.name)
            return pa.array(cells, pa.binary())
        if stored.content != "plain":
            array = _elementwise(array, stored, _TEXTS[stored.content])
        array = _cast(array, stored)
        return _distinct(array) if stored.is_set else array
    except (pa.ArrowException, TypeError, ValueError, KeyError, DecimalException) as error:
        raise TypeError(
            f"{where}: {array.type} values do not fit the declared type {stored.name} ({error}); "
            f"{_TODO.get(stored.content) or f'cast the column to {stored.arrow}'}, or declare the field with the type it has."
        ) from error


def _whole(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    if not isinstance(column, pa.ChunkedArray):
        return column
    array = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):  # more than fits one array, or no chunk at all
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    return array


def _cast(array: pa.Array, stored: StoredType) -> pa.Array:
    if array.type == stored.arrow:
        return array
    if pa.types.is_timestamp(array.type) and pa.types.is_timestamp(stored.arrow):
        array = pc.floor_temporal(array, unit="second")
    elif pa.types.is_floating(array.type) and stored.group == "varint":
        # pandas turns an integer column with nulls into floats with NaN
        array = pc.if_else(pc.is_nan(array), pa.scalar(None, array.type), array)
    narrows = stored.arrow == pa.float32() and array.type == pa.float64()
    return array.cast(stored.arrow, safe=not narrows)


def _elementwise(array: pa.Array, stored: StoredType, text: Callable[[Any], str]) -> pa.Array:
    """Write each value, or each element of a list, as text."""
    if pa.types.is_null(array.type):
        return array
    if not stored.is_list:
        values = array.to_pylist(maps_as_pydicts="strict")
        return pa.array([None if value is None else text(value) for value in values], pa.string())
    if not _is_list(array.type):
        raise TypeError("a list is wanted")
    lists = array.to_pylist(maps_as_pydicts="strict")
    return pa.array([None if one is None else [_element(text, value) for value in one] for one in lists], stored.arrow)


def _element(text: Callable[[Any], str], value: Any) -> str:
    if value is None:
        raise ValueError("a null inside of a list cannot be kept, leave it out")
    return text(value)


def _distinct(lists: pa.Array) -> pa.Array:
    """Take repeated elements and nulls out of each list; the first of equal ones stays, so equal data give equal bytes."""
    table = pa.table({"row": pc.list_parent_indices(lists), "value": pc.list_flatten(lists)}).drop_null()
    table = table.group_by(["row", "value"], use_threads=False).aggregate([])
    sizes = [0] * len(lists)
    for row in table.column("row").to_pylist():
        sizes[row] += 1
    offsets = [0]
    for size in sizes:
        offsets.append(offsets[-1] + size)
    values = table.column("value").combine_chunks()
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values, type=lists.type, mask=lists.is_null())


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _json_text(value: Any) -> str:
    if isinstance(value, str):
        json.loads(value)
        return value
    return json.dumps(value)


def _uuid_text(value: Any) -> str:
    if isinstance(value, bytes):
        return str(UUID(bytes=value))
    UUID(str(value))
    return str(value)


def _decimal_text(value: Any) -> str:
    if isinstance(value, float | bool):
        raise TypeError("such values are no exact decimals")
    Decimal(value)
    return str(value)


_TEXTS: Final[dict[str, Callable[[Any], str]]] = {"json": _json_text, "uuid": _uuid_text, "decimal": _decimal_text}
_TODO: Final = {
    "json": "write each value as one JSON text",
    "uuid": "write UUIDs as text, as uuid.UUID prints them, or as 16 bytes",
    "decimal": "write decimals as text or as Arrow's decimal128",
    "message": "give it as Arrow's map, struct, list or timestamp",
}
