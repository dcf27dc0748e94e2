"""Gives the join keys of labels the kind that they have in the feature log, or says how to write them."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from stores.parquet.asof_sql import LogColumns
from stores.parquet.feature_log import FeatureLogError
from stores.parquet.log_source import quote

EXACT = 2**53
"""Up to here a float tells whole numbers apart."""

_WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
_REAL = ("FLOAT", "DOUBLE", "DECIMAL")
_EMPTY = {
    "text": pa.string(),
    "bytes": pa.binary(),
    "boolean": pa.bool_(),
    "time": pa.timestamp("us", "UTC"),
    "date": pa.date32(),
    "real": pa.float64(),
    "whole": pa.int64(),
}


def fit_keys(columns: LogColumns, types: Mapping[str, str], labels: pa.Table) -> pa.Table:
    """Return labels whose join keys can be compared with those of a log.

    Whole numbers that pandas holds as floats, because some are null, become whole again; NaN is null; categories become what
    they stand for.

    Args:
        columns: What is joined.
        types: DuckDB's types of the log's columns.
        labels: They have the join keys under the names that `columns` gives them.

    Raises:
        FeatureLogError: A key is of another kind than in the log.
    """
    for stored, given in columns.join_keys:
        kind, column = kind_of(types[stored]), labels.column(given)
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        if pa.types.is_null(column.type):
            column = column.cast(_EMPTY.get(kind, pa.string()))
        if pa.types.is_floating(column.type) and kind in ("whole", "real"):
            column = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
        if pa.types.is_floating(column.type) and kind == "whole":
            column = _whole(columns, given, column)
        if kind not in _kinds(column.type):
            raise FeatureLogError(
                f"{columns.log.name}: join key {given} is {column.type} in entity_df and {types[stored]} in the feature log; "
                "convert it in entity_df with .astype(...)."
            )
        labels = labels.set_column(labels.column_names.index(given), given, column)
    return labels


def kind_of(duckdb_type: str) -> str:
    """Return the kind of values that can be compared with those of a column."""
    plain = duckdb_type.partition("(")[0]
    if plain.removeprefix("U") in _WHOLE:
        return "whole"
    if plain in _REAL:
        return "real"
    names = {"VARCHAR": "text", "UUID": "text", "BLOB": "bytes", "BOOLEAN": "boolean", "DATE": "date"}
    return names.get(plain, "time" if plain.startswith("TIMESTAMP") else plain)


def canonical(name: str, duckdb_type: str) -> str:
    """Return SQL that is the same for equal join keys, of whatever width they are; texts of them tell tasks apart."""
    wider = {"whole": "HUGEINT", "real": "DOUBLE"}.get(kind_of(duckdb_type))
    return f"CAST(CAST({quote(name)} AS {wider}) AS VARCHAR)" if wider else f"CAST({quote(name)} AS VARCHAR)"


def _whole(columns: LogColumns, given: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    exact = pc.and_(pc.equal(pc.floor(column), column), pc.less_equal(pc.abs(column), float(EXACT)))
    if not pc.all(exact, skip_nulls=True, min_count=0).as_py():
        raise FeatureLogError(
            f"{columns.log.name}: join key {given} is {column.type} in entity_df, not all of it whole numbers up to 2**53, and"
            " a whole number in the feature log; write entity_df's with .astype('Int64'), which holds nulls as well."
        )
    return column.cast(pa.int64())


def _kinds(kind: pa.DataType) -> tuple[str, ...]:
    if pa.types.is_integer(kind):
        return ("whole", "real")
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return ("real",)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return ("text",)
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return ("bytes",)
    if pa.types.is_boolean(kind):
        return ("boolean",)
    if pa.types.is_timestamp(kind):
        return ("time",)
    return ("date",) if pa.types.is_date(kind) else ()
