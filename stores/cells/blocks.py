"""Holds many byte strings of different lengths as numpy matrices, so that they can be built and joined without a loop.

A block has one string per row. It is a sequence of parts, matrices with one row per string, side by side; in some parts a
mask says which bytes count. Putting blocks side by side copies nothing: the bytes are brought together once, at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stores.cells.varint import encode_varints

Part = tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_] | None]
"""Bytes, uint8, and those that count, bool, both of shape (n, width); None if all do."""


@dataclass(frozen=True, slots=True)
class ByteBlock:
    """Byte strings.

    Attributes:
        rows: How many.
        parts: Their bytes, from left to right.
    """

    rows: int
    parts: tuple[Part, ...]

    @property
    def width(self) -> int:
        """Bytes of a row, those that do not count included."""
        return sum(data.shape[1] for data, _ in self.parts)

    def lengths(self) -> npt.NDArray[np.int64]:
        """Return the strings' lengths, shape (n,)."""
        lengths = np.zeros(self.rows, dtype=np.int64)
        for data, mask in self.parts:
            lengths += data.shape[1] if mask is None else mask.sum(axis=1)
        return lengths

    def joined(self) -> tuple[bytes, npt.NDArray[np.int64]]:
        """Return all strings, one after the other, and the n + 1 bounds between them."""
        bounds = np.zeros(self.rows + 1, dtype=np.int64)
        np.cumsum(self.lengths(), out=bounds[1:])
        data = np.empty((self.rows, self.width), dtype=np.uint8)
        mask = np.ones(data.shape, dtype=np.bool_)
        left = 0
        for part, counts in self.parts:
            right = left + part.shape[1]
            data[:, left:right] = part
            if counts is not None:
                mask[:, left:right] = counts
            left = right
        return data[mask].tobytes(), bounds

    def strings(self) -> list[bytes]:
        """Return the strings."""
        data, bounds = self.joined()
        return [data[start:end] for start, end in pairwise(bounds.tolist())]

    def without(self, rows: npt.NDArray[np.bool_]) -> ByteBlock:
        """Return the block with the strings of some rows (bool, shape (n,)) made empty."""
        kept = ~rows[:, None]
        return ByteBlock(
            self.rows,
            tuple(
                (data, np.broadcast_to(kept, data.shape) if mask is None else mask & kept) for data, mask in self.parts
            ),
        )


def block_of(strings: Sequence[bytes]) -> ByteBlock:
    """Make a block of byte strings."""
    data = np.frombuffer(b"".join(strings), dtype=np.uint8)
    return ragged(data, np.fromiter(map(len, strings), np.int64, len(strings)))


def ragged(data: npt.NDArray[np.uint8], lengths: npt.NDArray[np.int64]) -> ByteBlock:
    """Make a block of strings that lie one after the other in a buffer."""
    width = int(lengths.max(initial=0))
    if width * len(lengths) == len(data):
        return fixed(data.reshape(len(lengths), width))
    columns = np.arange(width)
    places = np.minimum((lengths.cumsum() - lengths)[:, None] + columns, len(data) - 1)
    return ByteBlock(len(lengths), ((data[places], columns < lengths[:, None]),))


def text_block(array: pa.Array) -> ByteBlock:
    """Make a block of a string or binary array without nulls."""
    array = array.cast(pa.binary())
    _, offsets, content = array.buffers()
    bounds = np.frombuffer(offsets, dtype=np.int32)[array.offset : array.offset + len(array) + 1].astype(np.int64)
    data = np.frombuffer(content or b"", dtype=np.uint8)
    return ragged(data[bounds[0] : bounds[-1]], bounds[1:] - bounds[:-1]) if len(array) else repeated(b"", 0)


def fixed(data: npt.NDArray[np.uint8]) -> ByteBlock:
    """Make a block of strings of equal length, the rows of a matrix."""
    return ByteBlock(len(data), ((data, None),))


def repeated(content: bytes, rows: int) -> ByteBlock:
    """Make a block of the same string in every row."""
    return fixed(np.broadcast_to(np.frombuffer(content, dtype=np.uint8), (rows, len(content))))


def varint_block(values: npt.NDArray[np.int64]) -> ByteBlock:
    """Make a block of varints, the two's complement of int64 numbers."""
    digits, lengths = encode_varints(values)
    if digits.shape[1] == 1:
        return fixed(digits)
    return ByteBlock(len(values), ((digits, np.arange(digits.shape[1]) < lengths[:, None]),))


def beside(*blocks: ByteBlock) -> ByteBlock:
    """Join blocks row by row."""
    return ByteBlock(blocks[0].rows, tuple(chain.from_iterable(block.parts for block in blocks)))
