"""Arrow columns as the numbers that the cell kernel reads, gathered field by field."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stores.cells.arrow_forms import stored_form
from stores.cells.cell_kernel import (
    CONSTANT,
    F_KIND,
    F_LIST,
    F_NAME,
    F_NAME_BYTES,
    F_START,
    F_TABLE,
    F_TAG,
    F_TAG_BYTES,
    F_VALID,
    F_WIDTH,
    FIELD_WORDS,
    FIXED,
    KEY_INTEGER,
    KEY_TEXT,
    NONE,
    TEXT,
    TIME,
    VARINT,
    write_rows,
)
from stores.cells.value_types import StoredType, stored_type

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]

_KINDS = {"fixed": FIXED, "varint": VARINT, "text": TEXT}
_NULL_TIMESTAMP = int(np.iinfo(np.int64).min)
_NO_BYTES = np.zeros(0, np.uint8)
_NO_WORDS = np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True)
class Strings:
    """Byte strings, one after the other.

    Attributes:
        data: uint8, their bytes.
        bounds: int64 (n + 1,), where each starts, and where the last ends.
    """

    data: Bytes
    bounds: Ints

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.bounds) - 1

    def to_list(self) -> list[bytes]:
        """Return them as Python's bytes."""
        whole, bounds = self.data.tobytes(), self.bounds.tolist()
        return [whole[start:end] for start, end in pairwise(bounds)]


def strings_of(strings: list[bytes]) -> Strings:
    """Return Python's bytes as one buffer."""
    bounds = np.zeros(len(strings) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, strings), np.int64, len(strings)), out=bounds[1:])
    return Strings(np.frombuffer(bytearray(b"".join(strings)), np.uint8), bounds)


class CellColumns:
    """The fields of rows, in the order in which a row has them.

    Fields may be of several tables; `rows` then says which row of each goes into a row.
    """

    def __init__(self) -> None:
        """Start without a field."""
        self._fields: list[list[int]] = []
        self._words: list[Ints] = []
        self._lengths: list[Ints] = []
        self._valid: list[npt.NDArray[np.bool_]] = []
        self._elements: list[Ints] = []
        self._element_lengths: list[Ints] = []
        self._heap: list[Bytes] = []
        self._counts = dict.fromkeys(("words", "valid", "elements", "heap"), 0)
        self._names: dict[bytes, int] = {}
        self._widest = 0

    def add(self, column: pa.Array | pa.ChunkedArray, value_type: str, where: str, table: int, name: bytes) -> None:
        """Add a feature.

        Null is the empty cell, and so is NaN in a DOUBLE or FLOAT column: Feast stores no NaN. Inside a list, a null
        number is NaN in DOUBLE and FLOAT lists and 0 in the others, a null text is empty, as from Feast's Arrow path.
        A UNIX_TIMESTAMP keeps whole seconds, rounded down.

        Args:
            column: The values, in any form that `stored_form` knows for the value type.
            value_type: Feast's `ValueType` name, such as `DOUBLE`.
            where: Names the column in errors, such as `user_activity.dwell_sum_1h`.
            table: The number of the table that it is of.
            name: What stands in front of each cell.

        Raises:
            UnsupportedValueTypeError: The value type cannot be stored.
            TypeError: The values cannot be cast without loss.
        """
        stored = stored_type(value_type)
        array = stored_form(column, stored, where)
        if stored.is_list:
            words, lengths = self._lists(array, stored)
        elif stored.group == "text":
            words, lengths = self._texts(array)
        else:
            words, lengths = _numbers(array, stored), None
        valid = None
        if array.null_count:
            valid = array.is_valid().to_numpy(zero_copy_only=False)
        if stored.group == "fixed" and not stored.is_list:
            missing = np.isnan(words.view(np.float64) if stored.width == 8 else words.astype(np.int32).view(np.float32))
            if missing.any():
                valid = ~missing if valid is None else valid & ~missing
        tag = int.from_bytes(stored.tag, "little")
        kind = _KINDS[stored.group]
        self._add(words, lengths, valid, table, kind, stored.width, stored.is_list, tag, len(stored.tag), name)

    def add_times(self, micros: Ints, table: int, name: bytes) -> None:
        """Add event times: protobuf `Timestamp` messages of microseconds since the epoch, UTC."""
        self._add(micros, None, None, table, TIME, 0, False, 0, 0, name)

    def add_key(self, array: pa.Array, number: int, width: int) -> None:
        """Add a join key: the number of its type, its length, its bytes; text where `width` is 0, else an integer."""
        if width:
            self._add(array.to_numpy(), None, None, 0, KEY_INTEGER, width, False, number, 0, b"")
            return
        words, lengths = self._texts(array)
        self._add(words, lengths, None, 0, KEY_TEXT, 0, False, number, 0, b"")

    def add_constant(self, content: bytes) -> None:
        """Add the same bytes to every row."""
        self._fields.append(_field(self._put(content), NONE, 0, CONSTANT, len(content), False, 0, 0, 0, 0))

    def rows(self, places: Ints, *, named: bool) -> Strings:
        """Return the rows as bytes.

        Args:
            places: int64 (tables, rows), which row of each table goes into a row; -1 leaves out its fields.
            named: Whether each cell follows its name, both as MessagePack strings; else the bare cells.
        """
        fields = np.array(self._fields, np.int64).reshape(-1, FIELD_WORDS)
        words, lengths = _joined(self._words, _NO_WORDS), _joined(self._lengths, _NO_WORDS)
        valid = _joined(self._valid, np.zeros(0, np.bool_)).view(np.uint8)
        elements, of_elements = _joined(self._elements, _NO_WORDS), _joined(self._element_lengths, _NO_WORDS)
        heap, places = _joined(self._heap, _NO_BYTES), np.ascontiguousarray(places)
        bounds = np.empty(places.shape[1] + 1, np.int64)
        room = max(int(places.shape[1]) * (self._widest + 32 * len(self._fields)), 64)
        while True:
            out = np.empty(room, np.uint8)
            needed = write_rows(fields, words, lengths, valid, elements, of_elements, heap, places, named, out, bounds)
            if needed <= room:
                return Strings(out[:needed], bounds)
            room = needed

    def _add(
        self,
        words: Ints,
        lengths: Ints | None,
        valid: npt.NDArray[np.bool_] | None,
        table: int,
        kind: int,
        width: int,
        is_list: bool,
        tag: int,
        tag_bytes: int,
        name: bytes,
    ) -> None:
        flags = NONE
        if valid is not None:
            flags = self._counts["valid"]
            self._valid.append(valid)
            self._counts["valid"] += len(valid)
        start = self._counts["words"]
        self._words.append(words)
        self._lengths.append(words if lengths is None else lengths)  # beside the words; of a number nobody asks
        self._counts["words"] += len(words)
        if name not in self._names:
            self._names[name] = self._put(name)
        self._widest += len(name)
        self._fields.append(
            _field(start, flags, table, kind, width, is_list, tag, tag_bytes, self._names[name], len(name))
        )

    def _put(self, content: bytes) -> int:
        """Put bytes on the heap, and return where."""
        start = self._counts["heap"]
        self._heap.append(np.frombuffer(content, np.uint8))
        self._counts["heap"] += len(content)
        return start

    def _texts(self, array: pa.Array) -> tuple[Ints, Ints]:
        _, offsets, content = array.buffers()
        bounds = np.frombuffer(offsets, np.int32)[array.offset : array.offset + len(array) + 1].astype(np.int64)
        if not len(array):
            return _NO_WORDS, _NO_WORDS
        data = np.frombuffer(content or b"", np.uint8)[bounds[0] : bounds[-1]]
        start = self._counts["heap"] - int(bounds[0])
        self._heap.append(data)
        self._counts["heap"] += len(data)
        return bounds[:-1] + start, np.diff(bounds)

    def _lists(self, array: pa.Array, stored: StoredType) -> tuple[Ints, Ints]:
        bounds = array.offsets.to_numpy().astype(np.int64)
        if not len(array):
            return _NO_WORDS, _NO_WORDS
        flat = array.values.slice(int(bounds[0]), int(bounds[-1] - bounds[0]))
        if stored.group == "text":
            elements, lengths = self._texts(flat.fill_null(b"" if pa.types.is_binary(flat.type) else ""))
        else:
            null: float = float("nan") if stored.group == "fixed" else 0
            if flat.null_count and pa.types.is_timestamp(flat.type):
                elements = flat.cast(pa.int64()).fill_null(_NULL_TIMESTAMP).to_numpy()
            else:
                elements = _numbers(flat.fill_null(null) if flat.null_count else flat, stored)
            lengths = elements
        start = self._counts["elements"] - int(bounds[0])
        self._elements.append(elements)
        self._element_lengths.append(lengths)
        self._counts["elements"] += len(elements)
        return bounds[:-1] + start, np.diff(bounds)


def encode_timestamps(micros: npt.NDArray[np.int64]) -> list[bytes]:
    """Encode event times; times before 1970 have negative seconds and positive nanoseconds, as protobuf wants.

    Args:
        micros: int64 microseconds since the epoch, UTC, shape (n,).
    """
    cells = CellColumns()
    cells.add_times(np.asarray(micros, np.int64), 0, b"")
    return cells.rows(np.arange(len(micros)).reshape(1, -1), named=False).to_list()


def _field(*values: int) -> list[int]:
    field = [0] * FIELD_WORDS
    order = (F_START, F_VALID, F_TABLE, F_KIND, F_WIDTH, F_LIST, F_TAG, F_TAG_BYTES, F_NAME, F_NAME_BYTES)
    for place, value in zip(order, values, strict=True):
        field[place] = int(value)
    return field


def _joined(parts: Sequence[npt.NDArray[Any]], none: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return parts as one array that may be written to: Numba would compile anew for one that may not."""
    return np.concatenate(parts) if parts else none


def _numbers(array: pa.Array, stored: StoredType) -> Ints:
    """Return numbers as words: integers as they are, reals as their bits; anything where they are null."""
    if pa.types.is_boolean(array.type):
        array = array.cast(pa.int8())
    if array.null_count:
        array = array.cast(pa.int64()) if pa.types.is_timestamp(array.type) else array
        array = array.fill_null(0)
    elif pa.types.is_timestamp(array.type):
        array = array.view(pa.int64())
    numbers = array.to_numpy(zero_copy_only=False)
    if stored.group == "fixed":
        numbers = numbers.view(np.int64 if stored.width == 8 else np.int32)
    return numbers.astype(np.int64, copy=False)
