"""Writes byte strings as Redis reads them: `$length`, line end, content, line end.

Source: https://redis.io/docs/latest/develop/reference/protocol-spec/#bulk-strings.
"""

from __future__ import annotations

import numpy as np

from stores.cells.blocks import ByteBlock, beside, repeated

_LINE = b"\r\n"


def bulk(content: bytes) -> bytes:
    """Write one string.

    >>> bulk(b"HMGET")
    b'$5\\r\\nHMGET\\r\\n'
    """
    return b"$%d\r\n%b\r\n" % (len(content), content)


def bulk_block(block: ByteBlock) -> ByteBlock:
    """Write every string of a block."""
    rows, lengths = block.rows, block.lengths()
    if rows and (lengths == lengths[0]).all():
        head = repeated(b"$%d\r\n" % lengths[0], rows)
    else:
        head = beside(repeated(b"$", rows), _decimals(lengths), repeated(_LINE, rows))
    return beside(head, block, repeated(_LINE, rows))


def _decimals(numbers: np.ndarray[tuple[int], np.dtype[np.int64]]) -> ByteBlock:
    """Write numbers, 0 or more, in decimal."""
    places = 10 ** np.arange(len(str(int(numbers.max(initial=0)))) - 1, -1, -1)
    digits = (numbers[:, None] // places % 10 + ord("0")).astype(np.uint8)
    mask = numbers[:, None] >= places
    mask[:, -1] = True
    return ByteBlock(len(numbers), ((digits, mask),))
