"""Joins and queries by Spark: it decides which task works on what, carries what tasks hand on, spills, and tries again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from stores.parquet.duckdb_connection import open_duckdb
from stores.parquet.engine import ViewJoin
from stores.parquet.join_keys import fit_keys
from stores.parquet.log_files import LogFiles
from stores.parquet.log_rows import LogQuery, latest_rows
from stores.parquet.log_source import pieces_of, source_of_arrow
from stores.spark.tasks import (
    Part,
    Pull,
    bytes_of,
    gather_chunk,
    join_part,
    pull_all,
    pull_latest,
    share_labels,
    share_latest,
    share_rows,
    table_of,
)

if TYPE_CHECKING:
    from pyspark import SparkContext

ROWS_A_TASK: Final = 1_000_000
LABELS_A_CHUNK: Final = 250_000
"""Rows of a piece of the result: what one task gathers, and what comes here at a time."""


@dataclass(frozen=True, slots=True)
class SparkEngine:
    """An engine of the offline store.

    Attributes:
        memory_limit: Of the DuckDB in each task, such as `2GB`, beyond which it spills to the task's machine.
        rows_a_task: About how many rows a task reads or joins.
        labels_a_chunk: About how many rows of the result come at a time.
    """

    memory_limit: str | None = None
    rows_a_task: int = ROWS_A_TASK
    labels_a_chunk: int = LABELS_A_CHUNK

    def join(self, joins: Sequence[ViewJoin], rows: int) -> Iterator[pa.Table]:
        """Yield the features of all views, chunk by chunk: no more than one is held here."""
        if not joins or not rows:
            yield _without_rows(joins)
            return
        context = _context()
        shared = [self._share(context, number, one) for number, one in enumerate(joins)]
        chunks = -(-rows // self.labels_a_chunk)
        gathered = context.union(shared).partitionBy(chunks, _itself).mapPartitions(gather_chunk)
        for number, chunk in enumerate(gathered.toLocalIterator(prefetchPartitions=True)):
            features = table_of(chunk)
            expected = min(self.labels_a_chunk, rows - number * self.labels_a_chunk)
            if features.num_rows != expected:
                raise RuntimeError(f"chunk {number} has {features.num_rows} rows for {expected} labels.")
            yield features

    def all_rows(self, query: LogQuery) -> Iterator[pa.Table]:
        """Yield all rows, piece by piece."""
        found = query.files()
        pieces = self._pieces(_context(), found)
        for some in pieces.mapPartitions(pull_all(self._pull(query, found))).toLocalIterator():
            yield table_of(some)

    def latest_rows(self, query: LogQuery) -> Iterator[pa.Table]:
        """Yield each entity's newest row, task by task; first none, for there may be no row at all."""
        found = query.files()
        with open_duckdb(1) as connection:
            yield latest_rows(connection, query, source_of_arrow(connection, found.schema.empty_table()))
        pull = self._pull(query, found)
        shared = self._pieces(_context(), found).mapPartitions(share_latest(pull))
        for some in shared.partitionBy(pull.tasks, _itself).mapPartitions(pull_latest(pull)).toLocalIterator():
            yield table_of(some)

    def _share(self, context: SparkContext, number: int, join: ViewJoin) -> Any:
        """Return one view's features by chunk of the result."""
        types = _types_of(join.found)
        labels = fit_keys(join.columns, types, join.labels)
        part = Part(
            view=number,
            columns=join.columns,
            schema=join.found.schema,
            key_types=tuple(types[stored] for stored, _ in join.columns.join_keys),
            oldest=join.found.oldest,
            newest=join.found.newest,
            tasks=self._tasks(context, join.found.rows + labels.num_rows),
            chunk=self.labels_a_chunk,
            memory_limit=self.memory_limit,
        )
        size = min(self.rows_a_task, -(-labels.num_rows // context.defaultParallelism))
        given = [bytes_of(labels.slice(at, size)) for at in range(0, labels.num_rows, size)]
        shared = context.union(
            [
                context.parallelize(given, len(given)).mapPartitions(share_labels(part)),
                self._pieces(context, join.found).mapPartitions(share_rows(part)),
            ]
        )
        return shared.partitionBy(part.tasks, _itself).mapPartitions(join_part(part))

    def _pieces(self, context: SparkContext, found: LogFiles) -> Any:
        most = min(self.rows_a_task, max(1, -(-found.rows // context.defaultParallelism)))
        pieces = [fragments for fragments, _ in pieces_of(found, most)]
        return context.parallelize(pieces, len(pieces))

    def _pull(self, query: LogQuery, found: LogFiles) -> Pull:
        return Pull(query, found.schema, self._tasks(_context(), found.rows), self.memory_limit)

    def _tasks(self, context: SparkContext, rows: int) -> int:
        cores = context.defaultParallelism
        return -(-max(rows // self.rows_a_task, 1) // cores) * cores  # so that all cores end at the same time


def _context() -> SparkContext:
    """Return the context of the session that is open, else of one that SPARK_MASTER names."""
    from pyspark.sql import SparkSession

    from workspace.spark_session import open_spark

    return (SparkSession.getActiveSession() or open_spark("offline store")).sparkContext


def _types_of(found: LogFiles) -> dict[str, str]:
    with open_duckdb(1) as connection:
        return source_of_arrow(connection, found.schema.empty_table()).types


def _without_rows(joins: Sequence[ViewJoin]) -> pa.Table:
    """Return the features' columns of no label."""
    columns = {}
    for join in joins:
        fit_keys(join.columns, _types_of(join.found), join.labels)
        for stored, name in join.columns.features:
            columns[name] = pa.nulls(0, join.found.schema.field(stored).type)
    return pa.table(columns)


def _itself(number: int) -> int:
    return number
