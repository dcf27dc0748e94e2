"""Packs byte strings as MessagePack, the form in which the write script takes a row's fields.

Source: https://github.com/msgpack/msgpack/blob/master/spec.md#str-format-family.
"""

from __future__ import annotations

import numpy as np

from stores.cells.blocks import ByteBlock, beside, repeated

_FIXSTR, _STR16, _STR32 = 0xA0, 0xDA, 0xDB
_SHORT, _MIDDLE = 1 << 5, 1 << 16


def packed_string(content: bytes) -> bytes:
    """Pack one string.

    >>> packed_string(b"ab")
    b'\\xa2ab'
    """
    length = len(content)
    if length < _SHORT:
        return bytes((_FIXSTR | length,)) + content
    if length < _MIDDLE:
        return bytes((_STR16,)) + length.to_bytes(2, "big") + content
    return bytes((_STR32,)) + length.to_bytes(4, "big") + content


def packed_block(block: ByteBlock) -> ByteBlock:
    """Pack every string of a block; all shorter than 65,536 bytes."""
    lengths = block.lengths()
    if block.rows and (lengths == lengths[0]).all():
        head = packed_string(bytes(int(lengths[0])))[: -int(lengths[0]) or None]
        return beside(repeated(head, block.rows), block)
    short = lengths < _SHORT
    data = np.empty((block.rows, 3), dtype=np.uint8)
    data[:, 0] = np.where(short, _FIXSTR | lengths, _STR16)
    data[:, 1] = lengths >> 8
    data[:, 2] = lengths & 0xFF
    mask = np.ones(data.shape, dtype=np.bool_)
    mask[short, 1:] = False
    return beside(ByteBlock(block.rows, ((data, mask),)), block)
