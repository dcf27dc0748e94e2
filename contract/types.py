"""The one vocabulary of column types: what a declaration, a topic, a request, a suite and a model each call the same thing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import pyarrow as pa

UNSUPPORTED: Final = "unsupported"
"""The kind of a Feast type that has none here, such as Invalid."""


class UnknownTypeError(ValueError):
    """A type that is not in the vocabulary; the message says what to write instead."""


@dataclass(frozen=True, slots=True)
class ColumnType:
    """One type under all its names.

    Attributes:
        kind: Its name here, in requests and in errors: `int64`, `timestamp`, `float64[]`.
        arrow: Its Arrow type; a timestamp is microseconds, UTC. None where events cannot hold it, nor aggregations give it:
            Feast's clients may store it and read it, and its values are Python objects here.
        value_type: Feast's `ValueType` name; None where Feast has none of its own.
        ddl: What Spark's DDL calls it, in the schema of a topic.
        pandas: What Great Expectations calls it in pandas; None where it has no name for it.
        is_number: Whether a model can read it.
    """

    kind: str
    arrow: pa.DataType | None
    value_type: str | None
    ddl: tuple[str, ...]
    pandas: str | None
    is_number: bool = False


_SCALARS: Final = (
    ColumnType("int64", pa.int64(), "INT64", ("bigint", "long"), "int64", is_number=True),
    ColumnType("int32", pa.int32(), "INT32", ("int", "integer"), "int32", is_number=True),
    ColumnType("int16", pa.int16(), None, ("smallint",), "int16", is_number=True),
    ColumnType("float64", pa.float64(), "DOUBLE", ("double",), "float64", is_number=True),
    ColumnType("float32", pa.float32(), "FLOAT", ("float",), "float32", is_number=True),
    ColumnType("bool", pa.bool_(), "BOOL", ("boolean",), "bool_", is_number=True),
    ColumnType("string", pa.string(), "STRING", ("string",), "str"),
    ColumnType("timestamp", pa.timestamp("us", "UTC"), "UNIX_TIMESTAMP", ("timestamp",), "Timestamp"),
    ColumnType("bytes", pa.binary(), "BYTES", (), None),
)
_LISTS: Final = tuple(
    replace(
        one,
        kind=f"{one.kind}[]",
        arrow=pa.list_(one.arrow),
        value_type=one.value_type and f"{one.value_type}_LIST",
        ddl=(),
        pandas=None,
        is_number=False,
    )
    for one in _SCALARS
)
_OBJECTS: Final = tuple(
    ColumnType(kind, None, value_type, (), None)
    for kind, value_type in (
        *((kind, kind.upper()) for kind in ("json", "uuid", "time_uuid", "decimal")),
        *((f"{kind}[]", f"{kind.upper()}_LIST") for kind in ("json", "uuid", "time_uuid", "decimal", "map", "struct")),
        *((f"set<{one.kind}>", f"{one.value_type}_SET") for one in _SCALARS if one.value_type),
        *((f"set<{kind}>", f"{kind.upper()}_SET") for kind in ("uuid", "time_uuid", "decimal")),
        *(
            (kind, kind.upper())
            for kind in ("map", "struct", "scalar_map", "zoned_timestamp", "pdf_bytes", "image_bytes")
        ),
        ("nested_list", "VALUE_LIST"),
        ("nested_set", "VALUE_SET"),
    )
)
TYPES: Final = {one.kind: one for one in (*_SCALARS, *_LISTS, *_OBJECTS)}
"""All types by kind."""

_BY_DDL: Final = {name: one for one in _SCALARS for name in one.ddl}
_BY_VALUE_TYPE: Final = {one.value_type: one for one in TYPES.values() if one.value_type}

_INSTEAD: Final = {
    "PDF_BYTES_LIST": "write Array(Bytes)",
    "IMAGE_BYTES_LIST": "write Array(Bytes)",
    "PDF_BYTES_SET": "write Set(Bytes)",
    "IMAGE_BYTES_SET": "write Set(Bytes)",
    "JSON_SET": "write Array(Json)",
}
"""By the `ValueType` that Feast lacks for a type that can be declared: what to write."""


def type_of_ddl(name: str) -> ColumnType:
    """Return the type that Spark's DDL calls `name`.

    >>> type_of_ddl("bigint").kind
    'int64'

    Raises:
        UnknownTypeError: Events cannot have such a type.
    """
    if name not in _BY_DDL:
        raise UnknownTypeError(f"unknown column type {name!r}; use one of {', '.join(_BY_DDL)}.")
    return _BY_DDL[name]


def type_of_field(dtype: Any) -> ColumnType | None:
    """Return the type of a Feast field that events can hold; None for others (maps, sets, JSON, nested lists)."""
    known = _BY_VALUE_TYPE.get(_value_type(dtype))
    return known if known and known.arrow else None


def kind_of_field(dtype: Any) -> str:
    """Return the kind of a Feast field; `unsupported` for one that has none."""
    known = _BY_VALUE_TYPE.get(_value_type(dtype))
    return known.kind if known else UNSUPPORTED


def value_type_of(view: str, field: Any) -> str:
    """Return the name of the Feast `ValueType` as which a view's field is stored.

    Raises:
        UnknownTypeError: Feast has no way to store the field's type.
    """
    name = _value_type(field.dtype)
    if name not in _BY_VALUE_TYPE:
        raise UnknownTypeError(
            f"{view}.{field.name}: no online store of Feast's can hold {field.dtype}; "
            f"{_INSTEAD.get(name, 'declare one of the types of feast.types, such as String, Float64 or Array(Int64)')}."
        )
    return name


def _value_type(dtype: Any) -> str:
    """Return the name of a Feast type's `ValueType`; one that Feast lacks (`PDF_BYTES_LIST`) is named as it would be."""
    try:
        return str(dtype.to_value_type().name)
    except KeyError as missing:
        return str(missing.args[0])


def kind_of_value_type(name: str) -> str:
    """Return the kind of what Feast's `ValueType` calls `name`; `unsupported` for one that has none.

    >>> kind_of_value_type("DOUBLE_LIST"), kind_of_value_type("UNKNOWN")
    ('float64[]', 'unsupported')
    """
    known = _BY_VALUE_TYPE.get(name)
    return known.kind if known else UNSUPPORTED


def is_number(kind: str) -> bool:
    """Say whether a model can read columns of this kind: numbers and booleans, one value a row."""
    return kind in TYPES and TYPES[kind].is_number
