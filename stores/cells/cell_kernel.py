"""Writes cells, row by row, as Feast has them in Redis. Compiled: a cell takes some ten nanoseconds, so no call may be made for one.

Columns come as numbers: a value's bits, or where its text or list starts and how long it is. See `columns.py`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from workspace.compiled import compiled, inlined

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]

# How a value is written.
FIXED, VARINT, TEXT, TIME, KEY_INTEGER, KEY_TEXT, CONSTANT = range(7)

# What is known of a field: where its values, lengths and flags start (NONE: all are there), which of several tables it is of, how
# it is written, its bytes (of one that is fixed), whether it is a list, its tag (up to two bytes, or the number of a key's type),
# and where the name in front of it is.
F_START, F_VALID, F_TABLE, F_KIND, F_WIDTH, F_LIST, F_TAG, F_TAG_BYTES, F_NAME, F_NAME_BYTES, FIELD_WORDS = range(11)

NONE = -1
_NANOSECONDS = 1000
_SECOND = 1_000_000
_FIXSTR, _STR16, _STR32 = 0xA0, 0xDA, 0xDB


@compiled
def write_rows(
    fields: Ints,
    words: Ints,
    lengths: Ints,
    valid: Bytes,
    elements: Ints,
    element_lengths: Ints,
    heap: Bytes,
    places: Ints,
    named: bool,
    out: Bytes,
    bounds: Ints,
) -> int:
    """Write the fields of each row, one after the other; return how many bytes would have been written.

    Args:
        fields: int64 (fields, FIELD_WORDS).
        words: int64, the values of all fields.
        lengths: int64, beside `words`: bytes of a text, elements of a list.
        valid: uint8, flags of those fields that have nulls.
        elements: int64, the elements of all lists.
        element_lengths: int64, bytes of elements that are texts.
        heap: uint8, texts and names.
        places: int64 (tables, rows), which row of each table goes into a row; `NONE` leaves its fields out.
        named: Whether name and cell are written as MessagePack strings; else the bare cell.
        out: uint8; where it is too short, nothing is written any more and only counted.
        bounds: int64 (rows + 1,), where each row starts.
    """
    at = 0
    for row in range(places.shape[1]):
        bounds[row] = at
        for field in range(len(fields)):
            place = places[fields[field, F_TABLE], row]
            if place == NONE:
                continue
            size = _size(fields, field, place, words, lengths, valid, elements, element_lengths)
            if at + size + fields[field, F_NAME_BYTES] + 8 > len(out):
                at += size + fields[field, F_NAME_BYTES] + 8
                continue
            if named:
                at = _copy(heap, fields[field, F_NAME], fields[field, F_NAME_BYTES], out, at)
                at = _head(size, out, at)
            if size:
                _cell(fields, field, place, size, words, lengths, elements, element_lengths, heap, out, at)
            at += size
    bounds[places.shape[1]] = at
    return at


@inlined
def _size(
    fields: Ints,
    field: int,
    place: int,
    words: Ints,
    lengths: Ints,
    valid: Bytes,
    elements: Ints,
    element_lengths: Ints,
) -> int:
    """Return the bytes of a cell; none where the value is missing."""
    kind = fields[field, F_KIND]
    if kind == CONSTANT:
        return fields[field, F_WIDTH]
    at = fields[field, F_START] + place
    if kind == KEY_INTEGER:
        return 8 + fields[field, F_WIDTH]
    if kind == KEY_TEXT:
        return 8 + lengths[at]
    if fields[field, F_VALID] != NONE and valid[fields[field, F_VALID] + place] == 0:
        return 0
    if kind == TIME:
        seconds = words[at] // _SECOND
        rest = (words[at] - seconds * _SECOND) * _NANOSECONDS
        return (1 + _varint_size(seconds) if seconds else 0) + (1 + _varint_size(rest) if rest else 0)
    tag = fields[field, F_TAG_BYTES]
    if fields[field, F_LIST]:
        inner = _list_size(kind, fields[field, F_WIDTH], words[at], lengths[at], elements, element_lengths)
        return tag + _varint_size(inner) + inner
    if kind == FIXED:
        return tag + fields[field, F_WIDTH]
    if kind == VARINT:
        return tag + _varint_size(words[at])
    return tag + _varint_size(lengths[at]) + lengths[at]


@inlined
def _list_size(kind: int, width: int, start: int, count: int, elements: Ints, element_lengths: Ints) -> int:
    payload = _payload_size(kind, width, start, count, elements, element_lengths)
    if kind == TEXT or payload == 0:
        return payload
    return 1 + _varint_size(payload) + payload


@compiled
def _payload_size(kind: int, width: int, start: int, count: int, elements: Ints, element_lengths: Ints) -> int:
    if kind == FIXED:
        return width * count
    payload = 0
    for element in range(start, start + count):
        if kind == TEXT:
            payload += 1 + _varint_size(element_lengths[element]) + element_lengths[element]
        else:
            payload += _varint_size(elements[element])
    return payload


@compiled
def _cell(
    fields: Ints,
    field: int,
    place: int,
    size: int,
    words: Ints,
    lengths: Ints,
    elements: Ints,
    element_lengths: Ints,
    heap: Bytes,
    out: Bytes,
    at: int,
) -> None:
    """Write a cell of so many bytes."""
    kind, width, tag = fields[field, F_KIND], fields[field, F_WIDTH], fields[field, F_TAG]
    if kind == CONSTANT:
        _copy(heap, fields[field, F_START], width, out, at)
        return
    value = fields[field, F_START] + place
    if kind == KEY_INTEGER or kind == KEY_TEXT:
        length = width if kind == KEY_INTEGER else lengths[value]
        at = _little(length, 4, out, _little(tag, 4, out, at))
        if kind == KEY_INTEGER:
            _little(words[value], width, out, at)
        else:
            _copy(heap, words[value], length, out, at)
        return
    if kind == TIME:
        seconds = words[value] // _SECOND
        rest = (words[value] - seconds * _SECOND) * _NANOSECONDS
        if seconds:
            out[at] = 0x08
            at = _varint(seconds, out, at + 1)
        if rest:
            out[at] = 0x10
            _varint(rest, out, at + 1)
        return
    for byte in range(fields[field, F_TAG_BYTES]):
        out[at] = np.uint8((tag >> (8 * byte)) & 0xFF)
        at += 1
    if fields[field, F_LIST]:
        _list(kind, width, words[value], lengths[value], elements, element_lengths, heap, out, at)
    elif kind == FIXED:
        _little(words[value], width, out, at)
    elif kind == VARINT:
        _varint(words[value], out, at)
    else:
        _copy(heap, words[value], lengths[value], out, _varint(lengths[value], out, at))


@compiled
def _list(
    kind: int,
    width: int,
    start: int,
    count: int,
    elements: Ints,
    element_lengths: Ints,
    heap: Bytes,
    out: Bytes,
    at: int,
) -> None:
    payload = _payload_size(kind, width, start, count, elements, element_lengths)
    if kind != TEXT and payload:
        at = _varint(1 + _varint_size(payload) + payload, out, at)
        out[at] = 0x0A
        at = _varint(payload, out, at + 1)
    else:
        at = _varint(payload, out, at)
    for element in range(start, start + count):
        if kind == FIXED:
            at = _little(elements[element], width, out, at)
        elif kind == VARINT:
            at = _varint(elements[element], out, at)
        else:
            out[at] = 0x0A
            at = _varint(element_lengths[element], out, at + 1)
            at = _copy(heap, elements[element], element_lengths[element], out, at)


@inlined
def _varint_size(value: int) -> int:
    rest, size = np.uint64(value), 1
    while rest >= np.uint64(128):
        rest >>= np.uint64(7)
        size += 1
    return size


@inlined
def _varint(value: int, out: Bytes, at: int) -> int:
    """Write a varint, a negative number as its two's complement; https://protobuf.dev/programming-guides/encoding/#varints."""
    rest = np.uint64(value)
    while rest >= np.uint64(128):
        out[at] = np.uint8((rest & np.uint64(127)) | np.uint64(128))
        rest >>= np.uint64(7)
        at += 1
    out[at] = np.uint8(rest)
    return at + 1


@inlined
def _little(value: int, width: int, out: Bytes, at: int) -> int:
    for byte in range(width):
        out[at + byte] = np.uint8((value >> (8 * byte)) & 0xFF)
    return at + width


@inlined
def _copy(source: Bytes, start: int, count: int, out: Bytes, at: int) -> int:
    for byte in range(count):
        out[at + byte] = source[start + byte]
    return at + count


@inlined
def _head(length: int, out: Bytes, at: int) -> int:
    """Write the head of a MessagePack string; https://github.com/msgpack/msgpack/blob/master/spec.md#str-format-family."""
    if length < 32:
        out[at] = np.uint8(_FIXSTR | length)
        return at + 1
    if length < 65536:
        out[at], out[at + 1], out[at + 2] = _STR16, np.uint8(length >> 8), np.uint8(length & 0xFF)
        return at + 3
    out[at] = _STR32
    for byte in range(4):
        out[at + 1 + byte] = np.uint8((length >> (24 - 8 * byte)) & 0xFF)
    return at + 5
