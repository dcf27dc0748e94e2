"""Decodes protobuf varints in bulk.

A varint holds 64 bits in groups of seven, the lowest first; every byte but the last has its top bit set.
Source: https://protobuf.dev/programming-guides/encoding/#varints.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

MAX_BYTES = 10

Int64 = npt.NDArray[np.int64]
UInt64 = npt.NDArray[np.uint64]


def varint(value: int) -> bytes:
    """Encode one number, 0 <= value < 2**64.

    >>> varint(300).hex()
    'ac02'
    """
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def decode_varints(data: npt.NDArray[np.uint8]) -> tuple[Int64, Int64]:
    """Decode a buffer that holds nothing but varints, one after the other.

    Returns:
        The numbers as int64 (two's complement), and for each the position after its last byte.

    Raises:
        ValueError: The last varint has no end, or one is longer than ten bytes.
    """
    if len(data) == 0:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    if data[-1] > 0x7F:
        raise ValueError("varints: the buffer ends within a number")
    ends = np.flatnonzero(data < 0x80) + 1
    starts = np.empty_like(ends)
    starts[0] = 0
    starts[1:] = ends[:-1]
    lengths = ends - starts
    longest = int(lengths.max())
    if longest > MAX_BYTES:
        raise ValueError(f"varints: a number of {longest} bytes; the format allows {MAX_BYTES}")
    values: UInt64 = (data[starts] & 0x7F).astype(np.uint64)
    for position in range(1, longest):
        rows = np.flatnonzero(lengths > position)
        values[rows] |= (data[starts[rows] + position] & 0x7F).astype(np.uint64) << np.uint64(7 * position)
    return values.view(np.int64), ends.astype(np.int64)
