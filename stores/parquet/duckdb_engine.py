"""Joins and queries on one machine: DuckDB on its cores, which spills to disk beyond its memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from stores.parquet.asof_join import asof_join
from stores.parquet.duckdb_connection import open_duckdb
from stores.parquet.engine import ViewJoin
from stores.parquet.log_rows import LogQuery, all_rows, latest_rows


@dataclass(frozen=True, slots=True)
class DuckdbEngine:
    """An engine of the offline store.

    Attributes:
        threads: None takes all cores.
        memory_limit: Such as `4GB`; None takes 80 % of the machine.
        spill: The folder to spill to; None takes the machine's for temporary files.
    """

    threads: int | None = None
    memory_limit: str | None = None
    spill: Path | None = None

    def join(self, joins: Sequence[ViewJoin], rows: int) -> Iterator[pa.Table]:
        """Yield the features of all views in one piece, view after view joined."""
        columns: dict[str, pa.ChunkedArray] = {}
        with open_duckdb(self.threads, self.memory_limit, self.spill) as connection:
            for one in joins:
                found = asof_join(connection, one.labels, one.columns, one.found)
                columns |= dict(zip(found.column_names, found.columns, strict=True))
        yield pa.table(columns)

    def all_rows(self, query: LogQuery) -> Iterator[pa.Table]:
        """Yield all rows in one piece."""
        with open_duckdb(self.threads, self.memory_limit, self.spill) as connection:
            yield all_rows(connection, query)

    def latest_rows(self, query: LogQuery) -> Iterator[pa.Table]:
        """Yield each entity's newest row in one piece."""
        with open_duckdb(self.threads, self.memory_limit, self.spill) as connection:
            yield latest_rows(connection, query)
