"""Lists the Feast value types that are stored, with their place in Feast's `Value` message.

| group | value types | a cell in Redis |
|---|---|---|
| fixed | DOUBLE, FLOAT | tag, 8 or 4 bytes, little endian |
| varint | INT64, INT32, UNIX_TIMESTAMP, BOOL | tag, varint of the two's complement in 64 bits |
| text | STRING, BYTES, PDF_BYTES, IMAGE_BYTES, JSON, UUID, TIME_UUID, DECIMAL | tag, length, bytes |
| text | MAP, STRUCT, their lists, VALUE_LIST, VALUE_SET, SCALAR_MAP, ZONED_TIMESTAMP | tag, length, a message of Feast's |
| list | the first three rows with `_LIST` or `_SET`, as far as Feast has them | tag, length, `repeated` field 1 (packed unless text) |

A missing value is the empty message, no bytes at all: that is how Feast writes it. Source: feast/types/Value.proto.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

Group = Literal["fixed", "varint", "text"]
Content = Literal["plain", "json", "uuid", "decimal", "message"]


class UnsupportedValueTypeError(TypeError):
    """A Feast value type that has no place in Feast's `Value` message."""


@dataclass(frozen=True, slots=True)
class StoredType:
    """One value type: how its cells look in Redis and what they are in Arrow.

    Attributes:
        name: Feast's `ValueType` name, such as `DOUBLE` or `INT64_LIST`.
        tag: The bytes in front of every cell that is not missing.
        group: The group of the value, or of the elements of a list.
        arrow: The Arrow type that cells are written from; UNIX_TIMESTAMP is whole seconds, UTC, as Feast keeps it.
        is_list: Whether the value is a list, or a set, which looks the same.
        is_set: Whether it is a set.
        content: What a text, or each of a list's, is: JSON, a UUID, a decimal, a message of Feast's, or just a text.
    """

    name: str
    tag: bytes
    group: Group
    arrow: pa.DataType
    is_list: bool = False
    is_set: bool = False
    content: Content = "plain"

    @property
    def element(self) -> pa.DataType:
        """The Arrow type of the value, or of a list's elements."""
        return self.arrow.value_type if self.is_list else self.arrow

    @property
    def width(self) -> int:
        """Bytes of one fixed value; 0 for the other groups."""
        return self.element.bit_width // 8 if self.group == "fixed" else 0


# Field numbers of Value.proto, scalar, list and set (0: there is none), and the wire type of the scalar.
_TABLE: tuple[tuple[str, int, int, int, int, Group, pa.DataType, Content], ...] = (
    ("BYTES", 1, 11, 22, 2, "text", pa.binary(), "plain"),
    ("STRING", 2, 12, 23, 2, "text", pa.string(), "plain"),
    ("INT32", 3, 13, 24, 0, "varint", pa.int32(), "plain"),
    ("INT64", 4, 14, 25, 0, "varint", pa.int64(), "plain"),
    ("DOUBLE", 5, 15, 26, 1, "fixed", pa.float64(), "plain"),
    ("FLOAT", 6, 16, 27, 5, "fixed", pa.float32(), "plain"),
    ("BOOL", 7, 17, 28, 0, "varint", pa.bool_(), "plain"),
    ("UNIX_TIMESTAMP", 8, 18, 29, 0, "varint", pa.timestamp("s", tz="UTC"), "plain"),
    ("PDF_BYTES", 1, 0, 0, 2, "text", pa.binary(), "plain"),
    ("IMAGE_BYTES", 1, 0, 0, 2, "text", pa.binary(), "plain"),
    ("JSON", 32, 33, 0, 2, "text", pa.string(), "json"),
    ("UUID", 36, 38, 40, 2, "text", pa.string(), "uuid"),
    ("TIME_UUID", 37, 39, 41, 2, "text", pa.string(), "uuid"),
    ("DECIMAL", 44, 45, 46, 2, "text", pa.string(), "decimal"),
    ("MAP", 20, 0, 0, 2, "text", pa.binary(), "message"),
    ("MAP_LIST", 21, 0, 0, 2, "text", pa.binary(), "message"),
    ("STRUCT", 34, 0, 0, 2, "text", pa.binary(), "message"),
    ("STRUCT_LIST", 35, 0, 0, 2, "text", pa.binary(), "message"),
    ("VALUE_LIST", 42, 0, 0, 2, "text", pa.binary(), "message"),
    ("VALUE_SET", 43, 0, 0, 2, "text", pa.binary(), "message"),
    ("SCALAR_MAP", 47, 0, 0, 2, "text", pa.binary(), "message"),
    ("ZONED_TIMESTAMP", 48, 0, 0, 2, "text", pa.binary(), "message"),
)


def _tag(field_number: int, wire_type: int) -> bytes:
    key = field_number << 3 | wire_type
    return bytes([key]) if key < 0x80 else bytes([key & 0x7F | 0x80, key >> 7])


STORED_TYPES: dict[str, StoredType] = {
    stored.name: stored
    for name, scalar, many, unique, wire, group, arrow, content in _TABLE
    for stored in (
        StoredType(name, _tag(scalar, wire), group, arrow, content=content),
        *([StoredType(f"{name}_LIST", _tag(many, 2), group, pa.list_(arrow), True, content=content)] if many else []),
        *([StoredType(f"{name}_SET", _tag(unique, 2), group, pa.list_(arrow), True, True, content)] if unique else []),
    )
}
"""Every value type that is stored, by its Feast name."""


def stored_type(name: str) -> StoredType:
    """Return the stored type of a Feast `ValueType` name.

    Raises:
        UnsupportedValueTypeError: It has no place in Feast's `Value` message.
    """
    try:
        return STORED_TYPES[name]
    except KeyError:
        raise UnsupportedValueTypeError(
            f"{name} values cannot be stored; declare the field as one of {', '.join(STORED_TYPES)}."
        ) from None
