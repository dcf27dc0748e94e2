"""Asks SQL of a record of decisions or outcomes, in DuckDB, while those who write it go on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa

from contract.records import recorded_files
from stores.parquet.duckdb_connection import open_duckdb

TRIES: Final = 5
MEMORY: Final = "1GB"
"""How much of a record is held in memory; the rest goes to the disk."""


def query_record(
    record: Path,
    sql: str,
    parameters: Mapping[str, Any] | None = None,
    since: date | None = None,
    until: date | None = None,
    also: Mapping[str, pa.Table] | None = None,
) -> pa.Table | None:
    """Return what a query gives; None where the record has no files in these days.

    Args:
        record: The record's folder, from `contract.records`.
        sql: Its table is `record`; columns that some files lack are null there.
        parameters: Of the query.
        since: The first day, UTC; None for all.
        until: The first day no more; None for all.
        also: Further tables, by name.
    """
    for attempt in range(TRIES):
        files = recorded_files(record, since, until)
        if not files:
            return None
        try:
            with open_duckdb(memory_limit=MEMORY) as connection:
                connection.read_parquet([str(path) for path in files], union_by_name=True).create_view("record")
                for name, table in (also or {}).items():
                    connection.register(name, table)
                return connection.sql(sql, params=dict(parameters or {})).to_arrow_table()
        except (duckdb.IOException, FileNotFoundError):
            if attempt == TRIES - 1:  # else a file was merged into another between its listing and its reading
                raise
    raise AssertionError


def record_columns(record: Path, since: date | None = None, until: date | None = None) -> list[str]:
    """Return the columns that any file of these days has; none where there are no files."""
    found = query_record(record, "SELECT * FROM record LIMIT 0", None, since, until)
    return [] if found is None else list(found.column_names)
