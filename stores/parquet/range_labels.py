"""Makes the labels of a training set that is asked for without any: every instant at which a view's values changed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import duckdb
import pyarrow as pa

from stores.parquet.asof_sql import KNOWN, LogColumns
from stores.parquet.labels import TIMESTAMP, Labels, LabelsError
from stores.parquet.log_files import find_files, micros_of
from stores.parquet.log_source import quote, source_of


def check_same_keys(views: Sequence[LogColumns]) -> list[str]:
    """Return the join keys of views, in order, which must be the same.

    Raises:
        LabelsError: They differ.
    """
    names = {view.log.name: sorted(given for _, given in view.join_keys) for view in views}
    first, *others = names.items()
    for name, keys in others:
        if keys != first[1]:
            raise LabelsError(
                f"without entity_df, rows are those of the logs, but {first[0]} has {first[1]} as join keys and {name}"
                f" {keys}; give an entity_df, or ask for views of the same entity."
            )
    return first[1]


def labels_between(
    connection: duckdb.DuckDBPyConnection, views: Sequence[LogColumns], start: datetime, end: datetime
) -> Labels:
    """Return one label for each entity and instant, both ends included, from which on a row of some view holds.

    Labels are ordered by time, then by join keys.

    Args:
        connection: From `stores.parquet.duckdb_connection.open_duckdb`.
        views: With the same join keys.
        start: The first instant; without a zone it is taken as UTC.
        end: The last instant.

    Raises:
        LabelsError: The join keys differ.
        FeatureLogMissingError: There is no log yet.
    """
    keys, first, last = check_same_keys(views), micros_of(start), micros_of(end)
    selects = []
    for view in views:
        stored = {given: name for name, given in view.join_keys}
        # what became known inside may be of any time before
        found = find_files(view.log, [*stored.values(), *view.times], view.times, None, last)
        source = source_of(connection, found)
        columns = [f"{quote(stored[key])} AS {quote(key)}" for key in keys]
        columns.append(f"{view.known_at(source)} AS {KNOWN}")
        selects.append(
            f"SELECT DISTINCT {', '.join(columns)} FROM {source.sql} WHERE {KNOWN} BETWEEN {first} AND {last}"
        )
    order = ", ".join([KNOWN, *map(quote, keys)])
    table = connection.sql(f"{' UNION '.join(selects)} ORDER BY {order}").to_arrow_table()
    times = table.column(KNOWN).cast(pa.timestamp("us", "UTC"))
    return Labels(table.drop_columns([KNOWN]).add_column(0, TIMESTAMP, times), TIMESTAMP)
