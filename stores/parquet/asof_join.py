"""Joins labels to a feature log in time: for each label the newest row at or before it, within ttl, else nulls.

One DuckDB `ASOF LEFT JOIN` per view. It sorts both sides once, so that its cost is linear in labels and rows; joining
each label with its entity's whole history, as Feast's DuckDB and Dask stores do, is not.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from stores.parquet.feature_log import FeatureLog, FeatureLogError
from stores.parquet.log_source import LogSource, quote, read_log

ROW, TIME, KNOWN = "__row", "__time", "__known"


@dataclass(frozen=True, slots=True)
class LogColumns:
    """What to read from a feature log, by the names in its files.

    Attributes:
        log: The feature log.
        join_keys: Pairs of (column in the log, column in the labels).
        features: Pairs of (column in the log, name in the result).
        timestamp: The event time; without a zone it is taken as UTC.
        created: Decides between rows with equal event times: the latest counts. None: which one counts is not defined.
        known: When a row became known; it is not joined to labels before (rule 12). None: with its event time.
        ttl_us: A row holds for labels with `event_timestamp >= label - ttl`, microseconds; 0 for ever.
    """

    log: FeatureLog
    join_keys: tuple[tuple[str, str], ...]
    features: tuple[tuple[str, str], ...]
    timestamp: str
    created: str | None = None
    ttl_us: int = 0
    known: str | None = None

    @property
    def times(self) -> tuple[str, ...]:
        """The time columns, each once."""
        return tuple(dict.fromkeys(name for name in (self.timestamp, self.created, self.known) if name))


def asof_join(connection: duckdb.DuckDBPyConnection, labels: pa.Table, columns: LogColumns) -> pa.Table:
    """Join one view's features to labels.

    Only the log's partitions, columns and entities that can matter are read.

    Args:
        connection: From `stores.parquet.log_source.open_duckdb`.
        labels: The join keys, `__row` (0 to n - 1) and `__time` (int64 microseconds UTC).
        columns: What to join.

    Returns:
        The features under their result names, one row per label, in the order of `__row`.

    Raises:
        FeatureLogMissingError: There is no log yet.
        FeatureLogError: The log lacks a column, or a join key's type cannot be compared.
    """
    bounds = pc.min_max(labels.column(TIME)).as_py()
    newest = bounds["max"] or 0  # None if there are no labels
    oldest = (bounds["min"] or 0) - columns.ttl_us if columns.ttl_us else None
    needed = [name for name, _ in (*columns.join_keys, *columns.features)]
    source = read_log(connection, columns.log, [*needed, *columns.times], columns.times, oldest, newest)
    _check_keys(columns, source, labels.schema)
    connection.register("labels", labels)
    try:
        rows = _rows(columns, source, oldest, newest)
        # fetched as a relation: from execute() DuckDB would copy the rows once more
        return connection.sql(_join(columns, rows)).to_arrow_table()
    finally:
        connection.unregister("labels")


def _rows(columns: LogColumns, source: LogSource, oldest: int | None, newest: int) -> str:
    """Select the rows that some label can match, as k0.., __time, __known, f0..; one per entity and time known.

    Where rows say when they became known, one that comes after a newer row is known is never the newest.
    """
    keys = [f"k{i}" for i in range(len(columns.join_keys))]
    selected = [f"{quote(stored)} AS {key}" for key, (stored, _) in zip(keys, columns.join_keys, strict=True)]
    known = source.micros(columns.known) if columns.known else "NULL"
    selected.append(f"{source.micros(columns.timestamp)} AS {TIME}, greatest({TIME}, {known}) AS {KNOWN}")
    selected += [f"{quote(stored)} AS f{i}" for i, (stored, _) in enumerate(columns.features)]
    where = [f"{TIME} <= {newest}"] + ([f"{TIME} >= {oldest}"] if oldest is not None else [])
    if keys:
        given = ", ".join(quote(name) for _, name in columns.join_keys)
        where.append(f"({', '.join(keys)}) IN (SELECT {f'({given})' if len(keys) > 1 else given} FROM labels)")
    latest = []
    if columns.created:
        selected.append(f"{source.micros(columns.created)} AS created")
    if columns.created or columns.known:
        order = f"{TIME} DESC" + (", created DESC NULLS LAST" if columns.created else "")
        latest.append(f"row_number() OVER (PARTITION BY {', '.join([*keys, KNOWN])} ORDER BY {order}) = 1")
    if columns.known:
        entity = f"PARTITION BY {', '.join(keys)}" if keys else ""
        newer = f"max({TIME}) OVER ({entity} ORDER BY {KNOWN} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)"
        latest.append(f"coalesce({newer} <= {TIME}, true)")
    qualify = f"QUALIFY {' AND '.join(latest)}" if latest else ""
    return f"SELECT * FROM (SELECT {', '.join(selected)} FROM {source.sql}) WHERE {' AND '.join(where)} {qualify}"


def _join(columns: LogColumns, rows: str) -> str:
    matches = [f"l.{quote(given)} = r.k{i}" for i, (_, given) in enumerate(columns.join_keys)]
    within = f"r.{TIME} >= l.{TIME} - {columns.ttl_us}" if columns.ttl_us else "true"
    features = [f"CASE WHEN {within} THEN r.f{i} END AS {quote(name)}" for i, (_, name) in enumerate(columns.features)]
    return f"""
        SELECT {", ".join(features)}
        FROM labels AS l ASOF LEFT JOIN ({rows}) AS r ON {" AND ".join([*matches, f"l.{TIME} >= r.{KNOWN}"])}
        ORDER BY l.{ROW}
    """


def _check_keys(columns: LogColumns, source: LogSource, labels: pa.Schema) -> None:
    for stored, given in columns.join_keys:
        kind, label_kind = source.types[stored], labels.field(given).type
        text = pa.types.is_string(label_kind) or pa.types.is_large_string(label_kind)
        if text != (kind == "VARCHAR") and not pa.types.is_null(label_kind):
            raise FeatureLogError(
                f"{columns.log.name}: join key {given} is {label_kind} in entity_df and {kind} in the feature log; "
                "convert it in entity_df with .astype(...)."
            )
