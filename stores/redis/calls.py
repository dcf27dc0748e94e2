"""Packs rows into script calls, in the Redis protocol, and finds which rows are of one entity. Compiled."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from stores.cells.cell_columns import Strings
from workspace.compiled import compiled, inlined

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]

_RETURN, _LINE, _DOLLAR, _ZERO = 13, 10, 36, 48
_ROOM = 24  # for what stands around a string


def bulk(content: bytes) -> bytes:
    r"""Write one string as Redis reads it; https://redis.io/docs/latest/develop/reference/protocol-spec/#bulk-strings.

    >>> bulk(b"HMGET")
    b'$5\r\nHMGET\r\n'
    """
    return b"$%d\r\n%b\r\n" % (len(content), content)


def bulk_call(head: bytes, keys: Strings, constants: bytes, rows: Strings, order: Ints) -> bytes:
    """Write a call: `head`, the keys of some rows, `constants`, these rows as one string.

    Args:
        head: The command up to its keys.
        keys: The keys of all rows.
        constants: Arguments between keys and rows.
        rows: All rows.
        order: int64, which of them.
    """
    start, stop = np.frombuffer(head, np.uint8), np.frombuffer(constants, np.uint8)
    of_keys, of_rows = int(np.diff(keys.bounds)[order].sum()), int(np.diff(rows.bounds)[order].sum())
    out = np.empty(len(head) + len(constants) + of_keys + of_rows + _ROOM * (len(order) + 1), np.uint8)
    size = _write_call(start, keys.data, keys.bounds, stop, rows.data, rows.bounds, of_rows, order, out)
    return out[:size].tobytes()


def newest_rows(keys: Strings, tables: Ints, micros: Ints, count: int) -> tuple[Ints, Ints]:
    """Return the different entities, each by a row that has its key, and which row of each table is its newest.

    Args:
        keys: The keys of all rows of all tables.
        tables: int64 (rows,), the table of each row.
        micros: int64 (rows,), event times; at equal ones the last row wins.
        count: How many tables there are.

    Returns:
        int64 (entities,) and int64 (tables, entities), -1 where a table has no row; entities in the order of their rows.
    """
    rows = len(keys)
    slots = np.full(1 << int(2 * rows + 8).bit_length(), -1, np.int64)
    first, places = np.empty(rows, np.int64), np.full((count, rows), -1, np.int64)
    entities = _place(keys.data, keys.bounds, tables, micros, slots, first, places)
    return first[:entities], places[:, :entities]


@compiled
def _place(data: Bytes, bounds: Ints, tables: Ints, micros: Ints, slots: Ints, first: Ints, places: Ints) -> int:
    entities = 0
    for row in range(len(tables)):
        begin, end = bounds[row], bounds[row + 1]
        mixed = np.uint64(0xCBF29CE484222325)
        for at in range(begin, end):
            mixed = (mixed ^ np.uint64(data[at])) * np.uint64(0x100000001B3)
        mixed ^= mixed >> np.uint64(32)
        slot = np.int64(mixed & np.uint64(len(slots) - 1))
        while slots[slot] != -1 and not _same(data, bounds, first[slots[slot]], begin, end):
            slot = (slot + 1) & (len(slots) - 1)
        if slots[slot] == -1:
            slots[slot], first[entities] = entities, row
            entities += 1
        entity, table = slots[slot], tables[row]
        before = places[table, entity]
        if before == -1 or micros[before] <= micros[row]:
            places[table, entity] = row
    return entities


@inlined
def _same(data: Bytes, bounds: Ints, row: int, begin: int, end: int) -> bool:
    start = bounds[row]
    if bounds[row + 1] - start != end - begin:
        return False
    for at in range(end - begin):
        if data[start + at] != data[begin + at]:
            return False
    return True


@compiled
def _write_call(
    head: Bytes,
    keys: Bytes,
    key_bounds: Ints,
    constants: Bytes,
    rows: Bytes,
    row_bounds: Ints,
    row_bytes: int,
    order: Ints,
    out: Bytes,
) -> int:
    at = _copy(head, 0, len(head), out, 0)
    for place in range(len(order)):
        at = _bulk(keys, key_bounds[order[place]], key_bounds[order[place] + 1], out, at)
    at = _copy(constants, 0, len(constants), out, at)
    at = _length(row_bytes, out, at)
    for place in range(len(order)):
        begin, end = row_bounds[order[place]], row_bounds[order[place] + 1]
        at = _copy(rows, begin, end - begin, out, at)
    return _line(out, at)


@inlined
def _bulk(source: Bytes, begin: int, end: int, out: Bytes, at: int) -> int:
    at = _length(end - begin, out, at)
    return _line(out, _copy(source, begin, end - begin, out, at))


@inlined
def _length(count: int, out: Bytes, at: int) -> int:
    """Write how long the string is that follows."""
    length, digits = count, 1
    while length >= 10:
        length //= 10
        digits += 1
    out[at] = _DOLLAR
    length = count
    for digit in range(digits, 0, -1):
        out[at + digit] = np.uint8(_ZERO + length % 10)
        length //= 10
    return _line(out, at + 1 + digits)


@inlined
def _line(out: Bytes, at: int) -> int:
    out[at], out[at + 1] = _RETURN, _LINE
    return at + 2


@inlined
def _copy(source: Bytes, start: int, count: int, out: Bytes, at: int) -> int:
    for byte in range(count):
        out[at + byte] = source[start + byte]
    return at + count
