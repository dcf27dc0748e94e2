"""Checks Arrow tables of feature rows, and encodes their entity keys, for every store that is written in bulk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stores.cells.cell_columns import Strings, strings_of
from stores.cells.entity_keys import EntityKeyEncoder, Values
from stores.cells.layout import ViewLayout
from stores.online import FeatureRowsError


def check_table(layout: ViewLayout, table: pa.Table, timestamp_column: str) -> npt.NDArray[np.int64]:
    """Return the event times of a table that has all columns of a view: int64 microseconds UTC, shape (n,).

    A time without a zone is taken as UTC; nanoseconds are cut to microseconds.

    Raises:
        FeatureRowsError: A column is absent, or the event time is no timestamp or has nulls.
    """
    names = [*(name for name, _ in layout.join_keys), *layout.feature_names, timestamp_column]
    absent = [name for name in names if name not in table.column_names]
    if absent:
        raise FeatureRowsError(
            f"{layout.name}: the table has no column {', '.join(absent)}; have {table.column_names}."
        )
    where, column = f"{layout.name}.{timestamp_column}", table.column(timestamp_column)
    if not pa.types.is_timestamp(column.type):
        raise FeatureRowsError(f"{where}: the event time is {column.type}; cast it to timestamp[us, tz=UTC].")
    if column.null_count:
        raise FeatureRowsError(f"{where}: {column.null_count} event times are null; drop such rows before writing.")
    if column.type.unit == "ns":
        column = pc.floor_temporal(column, unit="microsecond")
    return column.cast(pa.timestamp("us", tz=column.type.tz)).cast(pa.int64()).to_numpy()


def encode_keys(
    encoder: EntityKeyEncoder, join_keys: Sequence[tuple[str, str]], tables: Mapping[str, pa.Table]
) -> Strings:
    """Return the keys of all rows, table by table.

    Args:
        encoder: The encoder of these join keys.
        join_keys: Names with Feast `ValueType` names.
        tables: By view, checked.

    Raises:
        FeatureRowsError: A join key is null.
    """
    if all(_is_plain(t.column(name), kind) for t in tables.values() for name, kind in join_keys):
        columns = {name: [chunk for t in tables.values() for chunk in t.column(name).chunks] for name, _ in join_keys}
        if all(len({chunk.type for chunk in chunks}) == 1 for chunks in columns.values()):
            return encoder.encode_arrays({name: pa.concat_arrays(chunks) for name, chunks in columns.items()})
    return strings_of([key for view, table in tables.items() for key in _encode_each(encoder, join_keys, view, table)])


def _encode_each(
    encoder: EntityKeyEncoder, join_keys: Sequence[tuple[str, str]], view: str, table: pa.Table
) -> list[bytes]:
    columns = {name: _values(table.column(name)) for name, _ in join_keys}
    keys: list[bytes] = []
    for row, key in enumerate(encoder.encode(columns)):
        if key is None:
            nulls = [name for name in columns if table.column(name).null_count]
            raise FeatureRowsError(
                f"{view}: row {row} has no value for a join key ({', '.join(nulls) or 'NaN'}); "
                "drop such rows before writing."
            )
        keys.append(key)
    return keys


def _is_plain(column: pa.ChunkedArray, value_type: str) -> bool:
    """Say whether a join key's column can be encoded as a whole."""
    if column.null_count:
        return False
    if value_type == "STRING":
        return bool(pa.types.is_string(column.type) or pa.types.is_large_string(column.type))
    if value_type == "BYTES":
        return bool(pa.types.is_binary(column.type))
    return bool(pa.types.is_integer(column.type))


def _values(column: pa.ChunkedArray) -> Values:
    if column.null_count or not pa.types.is_integer(column.type):
        return column.to_pylist()
    return column.to_numpy()
