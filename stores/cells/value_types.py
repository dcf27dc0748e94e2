"""Lists the Feast value types that are stored in bulk, with their place in Feast's `Value` message.

| group | value types | a cell in Redis |
|---|---|---|
| fixed | DOUBLE, FLOAT | tag, 8 or 4 bytes, little endian |
| varint | INT64, INT32, UNIX_TIMESTAMP, BOOL | tag, varint of the two's complement in 64 bits |
| text | STRING, BYTES | tag, length, bytes |
| list | the eight above with `_LIST` | tag, length, `repeated` field 1 (packed unless text) |

A missing value is the empty message, no bytes at all: that is how Feast writes it. Source: feast/types/Value.proto.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

Group = Literal["fixed", "varint", "text"]


class UnsupportedValueTypeError(TypeError):
    """A Feast value type that is not stored in bulk; the message says which are."""


@dataclass(frozen=True, slots=True)
class StoredType:
    """One value type: how its cells look in Redis and what they are in Arrow.

    Attributes:
        name: Feast's `ValueType` name, such as `DOUBLE` or `INT64_LIST`.
        tag: The bytes in front of every cell that is not missing.
        group: The group of the value, or of a list's elements.
        arrow: The Arrow type a column has; UNIX_TIMESTAMP is whole seconds, UTC, as Feast keeps it.
        is_list: Whether the value is a list.
    """

    name: str
    tag: bytes
    group: Group
    arrow: pa.DataType
    is_list: bool = False

    @property
    def element(self) -> pa.DataType:
        """The Arrow type of the value, or of a list's elements."""
        return self.arrow.value_type if self.is_list else self.arrow

    @property
    def width(self) -> int:
        """Bytes of one fixed value; 0 for the other groups."""
        return self.element.bit_width // 8 if self.group == "fixed" else 0


# Field numbers of Value.proto, scalar and list, and the wire type of the scalar.
_TABLE: tuple[tuple[str, int, int, int, Group, pa.DataType], ...] = (
    ("BYTES", 1, 11, 2, "text", pa.binary()),
    ("STRING", 2, 12, 2, "text", pa.string()),
    ("INT32", 3, 13, 0, "varint", pa.int32()),
    ("INT64", 4, 14, 0, "varint", pa.int64()),
    ("DOUBLE", 5, 15, 1, "fixed", pa.float64()),
    ("FLOAT", 6, 16, 5, "fixed", pa.float32()),
    ("BOOL", 7, 17, 0, "varint", pa.bool_()),
    ("UNIX_TIMESTAMP", 8, 18, 0, "varint", pa.timestamp("s", tz="UTC")),
)


def _tag(field_number: int, wire_type: int) -> bytes:
    key = field_number << 3 | wire_type
    return bytes([key]) if key < 0x80 else bytes([key & 0x7F | 0x80, key >> 7])


STORED_TYPES: dict[str, StoredType] = {
    stored.name: stored
    for name, scalar, many, wire, group, arrow in _TABLE
    for stored in (
        StoredType(name, _tag(scalar, wire), group, arrow),
        StoredType(f"{name}_LIST", _tag(many, 2), group, pa.list_(arrow), is_list=True),
    )
}
"""Every value type that is stored in bulk, by its Feast name."""


def stored_type(name: str) -> StoredType:
    """Return the stored type of a Feast `ValueType` name.

    Raises:
        UnsupportedValueTypeError: Feast has the type but it is not stored in bulk (maps, sets, JSON, ...).
    """
    try:
        return STORED_TYPES[name]
    except KeyError:
        raise UnsupportedValueTypeError(
            f"{name} values are not stored in bulk; declare the field as one of {', '.join(STORED_TYPES)}."
        ) from None
