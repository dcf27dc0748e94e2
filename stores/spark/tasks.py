"""What Spark's tasks do for the offline store: rows and labels go to the task that their entity says, and are joined there.

No Spark in here. Files are read by Arrow and joined by DuckDB, with the SQL that one machine uses, and what tasks hand on is Arrow's own
bytes: Spark carries a few large values and not rows. An entity's rows lie in one task, so each task sorts its own once, and the whole is linear.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds

from stores.parquet.asof_sql import ROW, LogColumns, joined, newest_known, repeated, rows_between
from stores.parquet.duckdb_connection import open_duckdb
from stores.parquet.join_keys import canonical
from stores.parquet.log_rows import LogQuery, all_rows, latest_rows
from stores.parquet.log_source import quote, source_of_arrow

PART = "__part"

Handed = tuple[int, tuple[int, bytes]]
"""Where it goes (a task, or a chunk of the result), what it is (a kind or a view), and the rows: Arrow's bytes."""

LABELS, ROWS = 0, 1


@dataclass(frozen=True, slots=True)
class Part:
    """What tasks must know of one view's join.

    Attributes:
        view: The view's number.
        columns: What to join.
        schema: The columns of the log.
        key_types: DuckDB's types of the join keys in the log.
        oldest: The first instant of rows that labels can match, microseconds UTC; None leaves the end open.
        newest: The last one.
        tasks: Among how many tasks entities are shared.
        chunk: The labels of a chunk of the result.
        memory_limit: DuckDB's, in a task.
    """

    view: int
    columns: LogColumns
    schema: pa.Schema
    key_types: tuple[str, ...]
    oldest: int | None
    newest: int | None
    tasks: int
    chunk: int
    memory_limit: str | None


def share_rows(part: Part) -> Callable[[Iterable[Sequence[ds.Fragment]]], Iterator[Handed]]:
    """Return the function that reads pieces of a log and hands their rows on, by entity."""

    def share(given: Iterable[Sequence[ds.Fragment]]) -> Iterator[Handed]:
        for pieces in given:
            with open_duckdb(1, part.memory_limit) as connection:
                rows = _rows_of(connection, part, ds.FileSystemDataset(pieces, part.schema, ds.ParquetFileFormat()))
                keys = _task_of(part.columns.keys, part)
                for task, some in _by_number(connection.sql(f"SELECT {keys} AS {PART}, * FROM ({rows})")):
                    yield task, (ROWS, bytes_of(some))

    return share


def share_labels(part: Part) -> Callable[[Iterable[bytes]], Iterator[Handed]]:
    """Return the function that hands labels on, by entity; those without a key match nothing, and go anywhere."""

    def share(given: Iterable[bytes]) -> Iterator[Handed]:
        for labels in given:
            with open_duckdb(1, part.memory_limit) as connection:
                connection.register("labels", table_of(labels))
                names = [name for _, name in part.columns.join_keys]
                keyless = " OR ".join(f"{quote(name)} IS NULL" for name in names) or "false"
                keys = f"CASE WHEN {keyless} THEN {ROW} % {part.tasks} ELSE {_task_of(names, part)} END"
                for task, some in _by_number(connection.sql(f"SELECT {keys} AS {PART}, * FROM labels")):
                    yield task, (LABELS, bytes_of(some))

    return share


def join_part(part: Part) -> Callable[[Iterable[Handed]], Iterator[Handed]]:
    """Return the function that joins the labels and rows of a task, and hands features on to the chunks of the result."""

    def join(given: Iterable[Handed]) -> Iterator[Handed]:
        received: dict[int, list[pa.Table]] = {LABELS: [], ROWS: []}
        for _, (kind, some) in given:
            received[kind].append(table_of(some))
        if not received[LABELS]:
            return
        with open_duckdb(1, part.memory_limit) as connection:
            connection.register("labels", pa.concat_tables(received.pop(LABELS)))
            empty = connection.sql(_rows_of(connection, part, part.schema.empty_table())).to_arrow_table()
            connection.register("rows", pa.concat_tables([empty, *received.pop(ROWS)]))
            rows = "SELECT * FROM rows"
            ((tied,),) = connection.execute(repeated(part.columns, rows)).fetchall()
            sql = joined(part.columns, "labels", newest_known(part.columns, rows, tied=tied), also=[ROW])
            found = connection.sql(f"SELECT {ROW} // {part.chunk} AS {PART}, * FROM ({sql})")
            for chunk, features in _by_number(found):
                yield chunk, (part.view, bytes_of(features))

    return join


def gather_chunk(given: Iterable[Handed]) -> Iterator[bytes]:
    """Yield the features of a chunk: those of all views side by side, in the order of the labels."""
    views: dict[int, list[pa.Table]] = {}
    for _, (view, some) in given:
        views.setdefault(view, []).append(table_of(some))
    columns: dict[str, pa.ChunkedArray] = {}
    for view in sorted(views):
        features = pa.concat_tables(views.pop(view))
        features = features.take(pa.array(np.argsort(features[ROW].to_numpy()))).drop_columns([ROW])
        columns |= dict(zip(features.column_names, features.columns, strict=True))
    if columns:
        yield bytes_of(pa.table(columns))


@dataclass(frozen=True, slots=True)
class Pull:
    """What tasks must know of a pull: what to read, the columns of the log, among how many tasks to share, DuckDB's memory."""

    query: LogQuery
    schema: pa.Schema
    tasks: int
    memory_limit: str | None


def pull_all(pull: Pull) -> Callable[[Iterable[Sequence[ds.Fragment]]], Iterator[bytes]]:
    """Return the function that reads all rows of pieces of a log."""

    def read(given: Iterable[Sequence[ds.Fragment]]) -> Iterator[bytes]:
        for pieces in given:
            with open_duckdb(1, pull.memory_limit) as connection:
                data = ds.FileSystemDataset(pieces, pull.schema, ds.ParquetFileFormat())
                yield bytes_of(all_rows(connection, pull.query, source_of_arrow(connection, data)))

    return read


def share_latest(pull: Pull) -> Callable[[Iterable[Sequence[ds.Fragment]]], Iterator[tuple[int, bytes]]]:
    """Return the function that finds the newest rows of pieces of a log and hands them on, by entity."""

    def share(given: Iterable[Sequence[ds.Fragment]]) -> Iterator[tuple[int, bytes]]:
        for pieces in given:
            with open_duckdb(1, pull.memory_limit) as connection:
                data = ds.FileSystemDataset(pieces, pull.schema, ds.ParquetFileFormat())
                source = source_of_arrow(connection, data)
                newest = latest_rows(connection, pull.query, source)
                connection.register("newest", newest)
                keys = [canonical(name, source.types[name]) for name in pull.query.join_keys]
                task = f"hash({', '.join(keys)}) % {pull.tasks}" if keys else "0"
                for one, some in _by_number(connection.sql(f"SELECT {task} AS {PART}, * FROM newest")):
                    yield one, bytes_of(some)

    return share


def pull_latest(pull: Pull) -> Callable[[Iterable[tuple[int, bytes]]], Iterator[bytes]]:
    """Return the function that finds the newest rows of the entities of a task."""

    def read(given: Iterable[tuple[int, bytes]]) -> Iterator[bytes]:
        received = [table_of(rows) for _, rows in given]
        if received:
            with open_duckdb(1, pull.memory_limit) as connection:
                source = source_of_arrow(connection, pa.concat_tables(received))
                yield bytes_of(latest_rows(connection, pull.query, source))

    return read


def bytes_of(table: pa.Table) -> bytes:
    """Return a table as Arrow's stream of bytes."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return bytes(sink.getvalue())


def table_of(given: bytes) -> pa.Table:
    """Return the table of a stream of bytes."""
    return pa.ipc.open_stream(given).read_all()


def _rows_of(connection: duckdb.DuckDBPyConnection, part: Part, data: ds.Dataset | pa.Table) -> str:
    source = source_of_arrow(connection, data)
    return rows_between(part.columns, source, part.oldest, part.newest, tied=True)


def _task_of(names: Sequence[str], part: Part) -> str:
    """Return SQL for the task that an entity's rows go to."""
    keys = [canonical(name, kind) for name, kind in zip(names, part.key_types, strict=True)]
    return f"hash({', '.join(keys)}) % {part.tasks}" if keys else "0"


def _by_number(relation: duckdb.DuckDBPyRelation) -> Iterator[tuple[int, pa.Table]]:
    """Yield rows by their number in the first column, without it, in their order otherwise."""
    table = relation.to_arrow_table()
    number = table[PART].cast(pa.int64()).to_numpy()
    table = table.drop_columns([PART])
    found, counts = np.unique(number, return_counts=True)
    if len(found) > 1:
        table = table.take(pa.array(np.argsort(number, kind="stable")))
    start = 0
    for one, count in zip(found.tolist(), counts.tolist(), strict=True):
        yield one, table.slice(start, count)
        start += count
