"""Packs byte strings as MessagePack, the form in which the write script takes a row's fields.

Source: https://github.com/msgpack/msgpack/blob/master/spec.md#str-format-family.
"""

from __future__ import annotations

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
