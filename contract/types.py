"""The one vocabulary of column types: what a declaration, a topic, a request, a suite and a model each call the same thing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import pyarrow as pa

UNSUPPORTED: Final = "unsupported"
"""The kind of a Feast type that has none here: maps, sets, JSON, ..."""


class UnknownTypeError(ValueError):
    """A type that is not in the vocabulary; the message lists those that are."""


@dataclass(frozen=True, slots=True)
class ColumnType:
    """One type under all its names.

    Attributes:
        kind: Its name here, in requests and in errors: `int64`, `timestamp`, `float64[]`.
        arrow: Its Arrow type; a timestamp is microseconds, UTC.
        value_type: Feast's `ValueType` name; None where Feast has none of its own.
        ddl: What Spark's DDL calls it, in the schema of a topic.
        pandas: What Great Expectations calls it in pandas; None where it has no name for it.
        is_number: Whether a model can read it.
    """

    kind: str
    arrow: pa.DataType
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
TYPES: Final = {one.kind: one for one in (*_SCALARS, *_LISTS)}
"""All types by kind."""

_BY_DDL: Final = {name: one for one in _SCALARS for name in one.ddl}
_BY_VALUE_TYPE: Final = {one.value_type: one for one in TYPES.values() if one.value_type}


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
    """Return the type of a Feast field; None for one that has no kind here (maps, sets, JSON, nested lists)."""
    return _BY_VALUE_TYPE.get(dtype.to_value_type().name)


def kind_of_field(dtype: Any) -> str:
    """Return the kind of a Feast field; `unsupported` for one that has none."""
    known = type_of_field(dtype)
    return known.kind if known else UNSUPPORTED


def is_number(kind: str) -> bool:
    """Say whether a model can read columns of this kind: numbers and booleans, one value a row."""
    return kind in TYPES and TYPES[kind].is_number
