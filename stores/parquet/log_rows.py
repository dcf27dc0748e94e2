"""Reads rows of a feature log between two times: all of them, or each entity's newest."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import duckdb
import pyarrow as pa

from stores.parquet.feature_log import FeatureLog
from stores.parquet.log_files import LogFiles, find_files, micros_of
from stores.parquet.log_source import LogSource, quote, source_of


@dataclass(frozen=True, slots=True)
class LogQuery:
    """What to read from a feature log, by the names in its files.

    Attributes:
        log: The feature log.
        join_keys: The entity's columns; none for a view without entities.
        features: Feature columns; none reads all columns.
        timestamp: The event time; without a zone it is taken as UTC.
        created: Decides between rows with equal event times: the latest counts. Where that is equal too, the values decide.
        start: The first instant, included; None leaves the end open.
        end: The last one, included.
    """

    log: FeatureLog
    join_keys: tuple[str, ...]
    features: tuple[str, ...]
    timestamp: str
    created: str | None = None
    start: datetime | None = None
    end: datetime | None = None

    @property
    def times(self) -> tuple[str, ...]:
        """The time columns."""
        return (self.timestamp, self.created) if self.created else (self.timestamp,)

    @property
    def columns(self) -> list[str]:
        """The columns to read, each once."""
        return list(dict.fromkeys([*self.join_keys, *self.features, *self.times]))

    def files(self) -> LogFiles:
        """Return the files to read.

        Raises:
            FeatureLogMissingError: There is no log yet.
            FeatureLogError: The log lacks a column.
        """
        oldest, newest = (None if when is None else micros_of(when) for when in (self.start, self.end))
        return find_files(self.log, self.columns, self.times, oldest, newest)


def all_rows(connection: duckdb.DuckDBPyConnection, query: LogQuery, source: LogSource | None = None) -> pa.Table:
    """Read all rows, in no particular order. Times come back as timestamp[us, UTC], whatever the files hold.

    Args:
        connection: From `stores.parquet.duckdb_connection.open_duckdb`.
        query: What to read.
        source: Where from; the query's files when None.

    Raises:
        FeatureLogMissingError: There is no log yet.
        FeatureLogError: The log lacks a column.
    """
    source = source or source_of(connection, query.files())
    sql = f"SELECT {_selected(query, source)} FROM {source.sql} AS log WHERE {_within(query, source)}"
    return _fetch(connection, query, sql)


def latest_rows(connection: duckdb.DuckDBPyConnection, query: LogQuery, source: LogSource | None = None) -> pa.Table:
    """Read each entity's newest row; one row per entity. Times come back as timestamp[us, UTC].

    The newest time per entity is found first, on two narrow columns, so that memory grows with entities, not rows.

    Args:
        connection: From `stores.parquet.duckdb_connection.open_duckdb`.
        query: What to read.
        source: Where from; the query's files when None.

    Raises:
        FeatureLogMissingError: There is no log yet.
        FeatureLogError: The log lacks a column.
    """
    source = source or source_of(connection, query.files())
    keys, time = [quote(name) for name in query.join_keys], source.micros(query.timestamp, "log")
    grouped = f"GROUP BY {', '.join(keys)}" if keys else ""
    matches = " AND ".join([*(f"log.{key} IS NOT DISTINCT FROM n.{key}" for key in keys), f"{time} = n.newest"])
    order = [f"{source.micros(query.created, 'log')} DESC NULLS LAST"] if query.created else []
    values = ", ".join(f"log.{quote(name)}" for name in sorted(query.features))
    order += [f"hash({values}) DESC"] if values else []
    partition = f"PARTITION BY {', '.join(f'log.{key}' for key in keys)}" if keys else ""
    return _fetch(
        connection,
        query,
        f"""
        WITH newest AS (
            SELECT {", ".join([*keys, f"max({time}) AS newest"])} FROM {source.sql} AS log
            WHERE {_within(query, source)} {grouped}
        )
        SELECT {_selected(query, source)} FROM {source.sql} AS log JOIN newest AS n ON {matches}
        QUALIFY row_number() OVER ({partition} {f"ORDER BY {', '.join(order)}" if order else ""}) = 1
        """,
    )


def _within(query: LogQuery, source: LogSource) -> str:
    time = source.micros(query.timestamp, "log")
    bounds = [f"{time} >= {micros_of(query.start)}"] if query.start is not None else []
    bounds += [f"{time} <= {micros_of(query.end)}"] if query.end is not None else []
    return " AND ".join(bounds) or "true"


def _selected(query: LogQuery, source: LogSource) -> str:
    names = query.columns if query.features else list(source.types)
    times = {name: f"{source.micros(name, 'log')} AS {quote(name)}" for name in query.times}
    return ", ".join(times.get(name, f"log.{quote(name)}") for name in names)


def _fetch(connection: duckdb.DuckDBPyConnection, query: LogQuery, sql: str) -> pa.Table:
    table = connection.sql(sql).to_arrow_table()
    for name in query.times:
        position = table.column_names.index(name)
        table = table.set_column(position, name, table.column(position).cast(pa.timestamp("us", tz="UTC")))
    return table
