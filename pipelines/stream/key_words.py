"""Join keys and texts as words: values are only ever added at the end, so a save writes only the new ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Ints = npt.NDArray[np.int64]


def words_of(name: str, column: pa.Array) -> dict[str, Ints]:
    """Return a column without nulls as named arrays: of integers, or of text."""
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        column = column.cast(pa.large_string())
        _, offsets, data = column.buffers()
        ends = np.frombuffer(offsets, np.int64)[column.offset : column.offset + len(column) + 1]
        letters = np.frombuffer(data, np.uint8)[ends[0] : ends[-1]] if data is not None else np.zeros(0, np.uint8)
        filled = np.zeros(-(-len(letters) // 8) * 8, np.uint8)
        filled[: len(letters)] = letters
        return {f"{name}:ends": ends - ends[0], f"{name}:letters": filled.view(np.int64)}
    return {f"{name}:values": column.cast(pa.int64()).to_numpy(zero_copy_only=False)}


def column_of(name: str, arrays: Mapping[str, Ints], kind: pa.DataType) -> pa.Array:
    """Return the column that `words_of` wrote."""
    if f"{name}:values" in arrays:
        return pa.array(arrays[f"{name}:values"]).cast(kind)
    ends = arrays[f"{name}:ends"]
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(arrays[f"{name}:letters"])]
    return pa.Array.from_buffers(pa.large_string(), len(ends) - 1, buffers).cast(kind)


def texts_of(name: str, texts: Sequence[str]) -> dict[str, Ints]:
    """Return texts as named arrays."""
    return words_of(name, pa.array(texts, pa.large_string()))
