"""A batch of requests as columns: of checked rows, or of a whole table at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from contract.service import EVENT_TIMESTAMP
from contract.types import TYPES
from serving.request.schema import RequestError, RequestSchema, Row
from stores.cells.column import DTYPES, FLOATS, Column

_MICROSECONDS: Final = 1_000_000  # in a second; Feast keeps a key that is a time in seconds


@dataclass(frozen=True, slots=True)
class RequestColumns:
    """What n requests ask, as columns.

    Times keep their microseconds, as in a training set; Feast's own online path cuts them to whole seconds.

    Attributes:
        as_of_us: Shape (n,): the event timestamps, UTC microseconds.
        columns: Request fields, and what they fill, by name.
        keys: The join keys' raw values.
    """

    as_of_us: npt.NDArray[np.int64]
    columns: Mapping[str, Column]
    keys: Mapping[str, Sequence[object] | npt.NDArray[np.int64]]

    @classmethod
    def of_rows(cls, schema: RequestSchema, rows: Sequence[Row]) -> RequestColumns:
        """Take checked requests, at least one."""
        stamps, *values = zip(*rows, strict=True)
        columns = {one.name: Column.of(one.kind, given) for one, given in zip(schema.fields, values, strict=True)}
        return cls._of(schema, np.array(stamps, dtype=np.int64), columns)

    @classmethod
    def of_table(cls, schema: RequestSchema, table: pa.Table, now_us: int, first: int = 0) -> RequestColumns:
        """Take the rows of a table; columns that are not asked for are passed over.

        Args:
            schema: What a request must contain.
            table: At least one row.
            now_us: The event timestamp of rows that have none, UTC microseconds.
            first: The number of the table's first row, for errors.

        Raises:
            RequestError: A column is missing, has another type, or has no value, or none that fits, in some row.
        """
        at = _times(table, now_us, first)
        return cls._of(schema, at, {one.name: _column(table, one.name, one.kind, first) for one in schema.fields})

    @classmethod
    def _of(cls, schema: RequestSchema, as_of_us: npt.NDArray[np.int64], columns: dict[str, Column]) -> RequestColumns:
        keys: dict[str, Sequence[object] | npt.NDArray[np.int64]] = {}
        for one in schema.fields:
            if one.is_key:
                held = columns[one.name].values
                keys[one.name] = np.asarray(held) // _MICROSECONDS if one.kind == "timestamp" else held
        for name, filled_by in schema.fills:
            if filled_by == EVENT_TIMESTAMP:
                columns[name] = Column("timestamp", as_of_us, np.ones(len(as_of_us), dtype=np.bool_))
            else:
                columns[name] = columns[filled_by]
        return cls(as_of_us, columns, keys)


def _times(table: pa.Table, now_us: int, first: int) -> npt.NDArray[np.int64]:
    if EVENT_TIMESTAMP not in table.column_names:
        return np.full(table.num_rows, now_us, dtype=np.int64)
    given = _cast(table, EVENT_TIMESTAMP, "timestamp", first)
    return np.asarray(pc.fill_null(given.cast(pa.int64()), now_us), dtype=np.int64)


def _column(table: pa.Table, name: str, kind: str, first: int) -> Column:
    if name not in table.column_names:
        raise RequestError(
            name, f"is missing; expected a column of type {kind}, there are {', '.join(table.column_names)}"
        )
    values = _cast(table, name, kind, first)
    if values.null_count:
        raise RequestError(
            name, f"row {first + _first(pc.is_null(values))} has no value; expected a value of type {kind}"
        )
    if kind not in DTYPES:
        return Column.of(kind, values.to_pylist())
    plain: npt.NDArray[Any] = np.asarray(values.cast(pa.int64()) if kind == "timestamp" else values, dtype=DTYPES[kind])
    if kind in FLOATS and not np.isfinite(plain).all():
        raise RequestError(name, f"row {first + int(np.argmin(np.isfinite(plain)))} is not a finite number")
    return Column(kind, plain, np.ones(table.num_rows, dtype=np.bool_))


def _cast(table: pa.Table, name: str, kind: str, first: int) -> pa.Array:
    column = table[name].combine_chunks()
    wanted = TYPES[kind].arrow
    if pa.types.is_timestamp(column.type) and column.type.tz is None and kind == "timestamp":
        column = pc.assume_timezone(column, "UTC")
    try:
        if _sort(wanted) != _sort(column.type):
            raise pa.ArrowInvalid("texts, times and numbers are not taken for each other")
        return column.cast(wanted)
    except pa.ArrowException as error:
        raise RequestError(
            name, f"is a column of {column.type}, expected {kind} (rows from {first}: {str(error).splitlines()[0]})"
        ) from None


def _sort(kind: pa.DataType) -> str:
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return "text"
    return "time" if pa.types.is_timestamp(kind) else "other"


def _first(mask: pa.Array) -> int:
    return int(pc.index(mask, True).as_py())
