"""Encodes Arrow columns into Feast's cells, whole columns at a time, byte for byte what Feast writes.

No `Value` message is built: at 8 features a row, that costs Feast more than everything else it does on a write.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stores.cells.blocks import ByteBlock, beside, block_of, fixed, repeated, text_block, varint_block
from stores.cells.value_types import StoredType, stored_type
from stores.cells.varint import varint

_NULL_TIMESTAMP = int(np.iinfo(np.int64).min)
_FIELD_1 = b"\x0a"


def encode_block(column: pa.Array | pa.ChunkedArray, value_type: str, where: str = "column") -> ByteBlock:
    """Encode a column, one cell per row.

    Null is the empty cell, and so is NaN in a DOUBLE or FLOAT column: Feast stores no NaN. Inside a list, a null
    number is NaN in DOUBLE and FLOAT lists and 0 in the others, a null text is empty, as from Feast's Arrow path.
    A UNIX_TIMESTAMP keeps whole seconds, rounded down.

    Args:
        column: The values; cast to the value type's Arrow type if that loses nothing.
        value_type: Feast's `ValueType` name, such as `DOUBLE`.
        where: Names the column in errors, such as `user_activity.dwell_sum_1h`.

    Raises:
        UnsupportedValueTypeError: The value type is not stored in bulk.
        TypeError: The values cannot be cast without loss.
    """
    stored = stored_type(value_type)
    array = _cast(column, stored, where)
    block = _encode_lists(array, stored) if stored.is_list else _encode_scalars(array, stored)
    missing = array.is_null(nan_is_null=stored.group == "fixed" and not stored.is_list)
    return block.without(missing.to_numpy(zero_copy_only=False)) if missing.true_count else block


def _cast(column: pa.Array | pa.ChunkedArray, stored: StoredType, where: str) -> pa.Array:
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.ChunkedArray):  # more than fits one array, or no chunk at all
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    if array.type == stored.arrow:
        return array
    try:
        if pa.types.is_timestamp(array.type) and pa.types.is_timestamp(stored.arrow):
            array = pc.floor_temporal(array, unit="second")
        elif pa.types.is_floating(array.type) and stored.group == "varint":
            # pandas turns an integer column with nulls into floats with NaN
            array = pc.if_else(pc.is_nan(array), pa.scalar(None, array.type), array)
        narrows = stored.arrow == pa.float32() and array.type == pa.float64()
        return array.cast(stored.arrow, safe=not narrows)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise TypeError(
            f"{where}: {array.type} values do not fit the declared type {stored.name} ({error}); "
            f"cast the column to {stored.arrow}, or declare the field with the type it has."
        ) from error


def _encode_scalars(array: pa.Array, stored: StoredType) -> ByteBlock:
    tag = repeated(stored.tag, len(array))
    if stored.group == "text":
        texts = text_block(array.fill_null(b"" if array.type == pa.binary() else ""))
        return beside(tag, varint_block(texts.lengths()), texts)
    if stored.group == "fixed":
        values = array.fill_null(0).to_numpy(zero_copy_only=False)
        raw = np.ascontiguousarray(values).view(np.uint8).reshape(len(values), stored.width)
        return beside(tag, fixed(raw))
    return beside(tag, varint_block(_integers(array, 0)))


def _encode_lists(array: pa.Array, stored: StoredType) -> ByteBlock:
    bounds = array.offsets.to_numpy()
    flat = array.values.slice(int(bounds[0]), int(bounds[-1] - bounds[0])) if len(bounds) else array.values
    elements, ends = _elements(flat, stored)
    starts = ends[bounds - bounds[0]].tolist()
    packed = stored.group != "text"
    cells = []
    for start, end in pairwise(starts):
        payload = elements[start:end]
        inner = _prefix(_FIELD_1, end - start) + payload if packed and payload else payload
        cells.append(_prefix(stored.tag, len(inner)) + inner)
    return block_of(cells)


def _elements(flat: pa.Array, stored: StoredType) -> tuple[bytes, npt.NDArray[np.int64]]:
    """Encode the elements of all lists, one after the other; return the bytes and the n + 1 bounds."""
    if stored.group == "text":
        texts = flat.cast(pa.binary()).fill_null(b"").to_pylist()
        return block_of([_prefix(_FIELD_1, len(text)) + text for text in texts]).joined()
    if stored.group == "fixed":
        values = flat.fill_null(float("nan")).to_numpy(zero_copy_only=False)
        return values.tobytes(), np.arange(len(flat) + 1, dtype=np.int64) * stored.width
    return varint_block(_integers(flat, _NULL_TIMESTAMP if pa.types.is_timestamp(flat.type) else 0)).joined()


def _integers(array: pa.Array, null: int) -> npt.NDArray[np.int64]:
    whole = array.cast(pa.int64()) if not pa.types.is_timestamp(array.type) else array.view(pa.int64())
    return whole.fill_null(null).to_numpy(zero_copy_only=False)


@lru_cache(maxsize=4096)
def _prefix(tag: bytes, length: int) -> bytes:
    return tag + varint(length)
