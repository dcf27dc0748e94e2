"""Joins labels to a feature log in time: for each label the newest row at or before it, within ttl, else nulls."""

from __future__ import annotations

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from stores.parquet.asof_sql import TIME, LogColumns, joined, newest_known, repeated, rows_between
from stores.parquet.join_keys import fit_keys
from stores.parquet.log_files import LogFiles, find_files
from stores.parquet.log_source import source_of


def files_for(columns: LogColumns, labels: pa.Table) -> LogFiles:
    """Return the files of a view's log that labels can match.

    Args:
        columns: What to join.
        labels: They have `__time`, int64 microseconds UTC.

    Raises:
        FeatureLogMissingError: There is no log yet.
        FeatureLogError: The log lacks a column.
    """
    bounds = pc.min_max(labels.column(TIME)).as_py()
    oldest = (bounds["min"] or 0) - columns.ttl_us if columns.ttl_us else None  # None if there are no labels
    return find_files(columns.log, columns.needed, columns.times, oldest, bounds["max"] or 0)


def asof_join(
    connection: duckdb.DuckDBPyConnection, labels: pa.Table, columns: LogColumns, found: LogFiles | None = None
) -> pa.Table:
    """Join one view's features to labels.

    Only the log's partitions, columns and entities that can matter are read.

    Args:
        connection: From `stores.parquet.duckdb_connection.open_duckdb`.
        labels: The join keys, `__row` (0 to n - 1) and `__time` (int64 microseconds UTC).
        columns: What to join.
        found: From `files_for`, if at hand.

    Returns:
        The features under their result names, one row per label, in the order of `__row`.

    Raises:
        FeatureLogMissingError: There is no log yet.
        FeatureLogError: The log lacks a column, or a join key's type cannot be compared.
    """
    found = found or files_for(columns, labels)
    source = source_of(connection, found)
    connection.register("labels", fit_keys(columns, source.types, labels))
    try:
        rows = rows_between(columns, source, found.oldest, found.newest, labels="labels")
        ((tied,),) = connection.execute(repeated(columns, rows)).fetchall()
        if tied:
            rows = rows_between(columns, source, found.oldest, found.newest, labels="labels", tied=True)
        # fetched as a relation: from execute() DuckDB would copy the rows once more
        return connection.sql(joined(columns, "labels", newest_known(columns, rows, tied=tied))).to_arrow_table()
    finally:
        connection.unregister("labels")
