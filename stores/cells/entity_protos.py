"""Encodes join keys that Feast has made `Value` messages of: the columns of a `get_online_features` call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from stores.cells.entity_keys import EntityKeyEncoder
from stores.cells.layout import ViewLayout

if TYPE_CHECKING:
    from feast.protos.feast.types.Value_pb2 import Value

_FIELDS: Final = {
    "BYTES": "bytes_val",
    "STRING": "string_val",
    "INT32": "int32_val",
    "INT64": "int64_val",
    "UNIX_TIMESTAMP": "unix_timestamp_val",
}


def encode_protos(layout: ViewLayout, columns: Mapping[str, Sequence[Value]]) -> list[bytes] | None:
    """Encode one key per row, without the project; None where a column is absent, or a value is not of the declared type.

    Args:
        layout: The view.
        columns: By join key, one value per row.
    """
    if len(columns) != len(layout.join_keys):
        return None
    values: dict[str, list[object]] = {}
    for name, value_type in layout.join_keys:
        field, column = _FIELDS.get(value_type), columns.get(name)
        if field is None or not column or not all([value.HasField(field) for value in column]):  # type: ignore[arg-type]
            return None
        values[name] = [getattr(value, field) for value in column]
    if len(set(map(len, values.values()))) != 1:
        return None
    keys = _encoder(layout.join_keys).encode(values)
    return [key for key in keys if key is not None]


@lru_cache(maxsize=256)
def _encoder(join_keys: tuple[tuple[str, str], ...]) -> EntityKeyEncoder:
    return EntityKeyEncoder("", join_keys)
