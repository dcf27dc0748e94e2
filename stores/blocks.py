"""Holds many byte strings of different lengths as one numpy matrix, so that they can be built and joined without a loop.

A block has one row per string: bytes, and a mask of those that count. Strings are put together by putting blocks side by
side; what the mask leaves out takes no part in the result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from stores.varint import encode_varints


@dataclass(frozen=True, slots=True)
class Block:
    """Byte strings.

    Attributes:
        data: uint8, shape (n, width).
        mask: bool, shape (n, width): the bytes that count, from left to right.
    """

    data: npt.NDArray[np.uint8]
    mask: npt.NDArray[np.bool_]

    @property
    def width(self) -> int:
        """Bytes of a row, those that do not count included."""
        return self.data.shape[1]

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """The strings' lengths, shape (n,)."""
        return self.mask.sum(axis=1)

    def joined(self) -> tuple[bytes, npt.NDArray[np.int64]]:
        """Returns all strings, one after the other, and the n + 1 bounds between them."""
        bounds = np.zeros(len(self.mask) + 1, dtype=np.int64)
        np.cumsum(self.lengths, out=bounds[1:])
        return self.data[self.mask].tobytes(), bounds

    def strings(self) -> list[bytes]:
        """Returns the strings."""
        data, bounds = self.joined()
        ends = bounds.tolist()
        return [data[start:end] for start, end in pairwise(ends)]

    def without(self, rows: npt.NDArray[np.bool_]) -> Block:
        """Returns the block with the strings of some rows (bool, shape (n,)) made empty."""
        return Block(self.data, self.mask & ~rows[:, None])


def block_of(strings: Sequence[bytes]) -> Block:
    """Makes a block of byte strings."""
    data = np.frombuffer(b"".join(strings), dtype=np.uint8)
    return ragged(data, np.fromiter(map(len, strings), np.int64, len(strings)))


def ragged(data: npt.NDArray[np.uint8], lengths: npt.NDArray[np.int64]) -> Block:
    """Makes a block of strings that lie one after the other in a buffer."""
    width = int(lengths.max(initial=0))
    starts = lengths.cumsum() - lengths
    columns = np.arange(width)
    mask = columns < lengths[:, None]
    if mask.all():
        return Block(data[: mask.size].reshape(len(lengths), width), mask)
    places = np.minimum(starts[:, None] + columns, max(len(data) - 1, 0))
    return Block(data[places] if len(data) else np.zeros(mask.shape, np.uint8), mask)


def repeated(content: bytes, rows: int) -> Block:
    """Makes a block of the same string in every row."""
    data = np.broadcast_to(np.frombuffer(content, dtype=np.uint8), (rows, len(content)))
    return Block(data, np.ones(data.shape, dtype=np.bool_))


def varint_block(values: npt.NDArray[np.int64]) -> Block:
    """Makes a block of varints, the two's complement of int64 numbers."""
    digits, lengths = encode_varints(values)
    return Block(digits, np.arange(digits.shape[1]) < lengths[:, None])


def beside(*blocks: Block) -> Block:
    """Joins blocks row by row."""
    return Block(
        np.concatenate([block.data for block in blocks], axis=1),
        np.concatenate([block.mask for block in blocks], axis=1),
    )
