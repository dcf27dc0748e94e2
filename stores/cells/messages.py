"""Writes and reads the values that are messages of Feast's: maps, structs, nested lists, times with their zone.

Feast's own functions turn them into Python's and back, value by value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def encode_messages(values: Sequence[Any], value_type: str) -> list[bytes | None]:
    """Return the message in each value: what stands behind tag and length in a cell. None where the value is missing.

    A map's entries are in the order of their keys, so equal values give equal bytes. An empty list inside of a nested list stays
    one; Feast's own function makes it a null.

    Args:
        values: Python's values: dictionaries, lists of them, lists of lists, datetimes.
        value_type: Feast's `ValueType` name.

    Raises:
        TypeError: A value is not of the type, or holds something that Feast cannot keep.
        ValueError: The same.
    """
    from feast.type_map import python_values_to_proto_values
    from feast.value_type import ValueType

    out: list[bytes | None] = []
    for proto, value in zip(python_values_to_proto_values(list(values), ValueType[value_type]), values, strict=True):
        field = proto.WhichOneof("val")
        if field is None:
            out.append(None)
            continue
        message = getattr(proto, field)
        if field in ("list_val", "set_val"):
            _keep_empty(message, value)
        out.append(message.SerializeToString(deterministic=True))
    return out


def decode_message(cell: bytes) -> Any:
    """Return the Python value of a cell."""
    from feast.protos.feast.types.Value_pb2 import Value
    from feast.type_map import feast_value_type_to_python_type

    return feast_value_type_to_python_type(Value.FromString(cell))


def _keep_empty(message: Any, lists: Sequence[Any]) -> None:
    for inner, value in zip(message.val, lists, strict=True):
        if value is not None and not len(value):
            inner.list_val.SetInParent()
        elif inner.WhichOneof("val") == "list_val":
            _keep_empty(inner.list_val, value)
