"""The newest row of each entity of a feature log, found in this process or by Spark's tasks; the files are read by address."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from pipelines.arrange import number_entities, times
from pipelines.batch.lake import instant
from pipelines.partitioning import partition_of
from pipelines.plan import ViewPlan
from stores.parquet.feature_log import FeatureLog
from workspace.addresses import open_address

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

AT_ONCE: Final = 16  # files whose footers are read at the same time: far away ones take their time
ROWS_A_TASK: Final = 2_000_000
ROWS_HELD: Final = 500_000  # rows that are read before all but the newest are forgotten


@dataclass(frozen=True, slots=True)
class LogFiles:
    """Files of a feature log, and which of their rows count.

    Attributes:
        address: The log.
        files: The files, as its file system names them.
        rows: How many rows each holds.
        schema: The newest one's schema, in which all are read.
        keys: The join keys.
        first: The first instant that counts, microseconds.
        stop: The end, itself outside.
    """

    address: str
    files: tuple[str, ...]
    rows: tuple[int, ...]
    schema: pa.Schema
    keys: tuple[str, ...]
    first: int
    stop: int

    def slices(self, most: int) -> list[LogFiles]:
        """Divide the files into slices of about `most` rows."""
        number = (np.cumsum(self.rows) - 1) // max(most, 1)
        parts = [np.flatnonzero(number == one).tolist() for one in np.unique(number)]
        return [
            replace(self, files=tuple(self.files[i] for i in part), rows=tuple(self.rows[i] for i in part))
            for part in parts
        ]


def find_log_files(plan: ViewPlan, until: int) -> LogFiles:
    """Return the files with rows of `event_timestamp < until` (microseconds) that are not past their ttl then.

    Raises:
        FeatureLogMissingError: The view has no feature log.
        AddressError: Its address cannot be read.
    """
    first = until - plan.ttl if plan.ttl else 0
    log = FeatureLog(plan.view, plan.log)
    files = log.files(instant(max(first, 0)).date(), instant(until).date())
    system = log.system
    with ThreadPoolExecutor(AT_ONCE) as pool:
        rows = list(pool.map(lambda file: pq.read_metadata(file, filesystem=system).num_rows, files))
    schema = pq.read_schema(files[-1], filesystem=system)
    return LogFiles(plan.log, tuple(files), tuple(rows), schema, plan.keys, first, until)


def read_newest(log: LogFiles) -> pa.Table:
    """Return the newest row of each entity; memory grows with entities, not with rows."""
    source = ds.dataset(list(log.files), schema=log.schema, format="parquet", filesystem=open_address(log.address)[0])
    held: list[pa.Table] = [source.schema.empty_table()]
    waiting = 0
    for batch in source.to_batches(batch_readahead=4):
        table = pa.Table.from_batches([batch])
        at = times(table["event_timestamp"])
        held.append(table.filter(pa.array((log.first <= at) & (at < log.stop))))
        waiting += len(held[-1])
        if waiting > ROWS_HELD:
            held, waiting = [newest_of(pa.concat_tables(held), log.keys)], 0
    return newest_of(pa.concat_tables(held), log.keys)


def newest_of(rows: pa.Table, keys: Sequence[str]) -> pa.Table:
    """Return the row of each entity with the latest `event_timestamp`, join keys first."""
    others = [name for name in rows.column_names if name not in keys]
    rows = rows.select([*keys, *others])
    if not len(rows):
        return rows
    entity, _ = number_entities(rows, keys)
    order = np.lexsort((times(rows["event_timestamp"]), entity))
    return rows.take(pa.array(order[np.flatnonzero(np.diff(entity[order], append=-1))]))


def write_newest(spark: SparkSession, log: LogFiles, folder: Path) -> None:
    """Let Spark's tasks find the newest rows and write them to a folder; none of them comes here."""
    context = spark.sparkContext
    cores, total = context.defaultParallelism, sum(log.rows)
    slices = log.slices(min(ROWS_A_TASK, -(-total // cores)))
    tasks = -(-max(total // ROWS_A_TASK, 1) // cores) * cores
    folder.mkdir(parents=True, exist_ok=True)
    shared = context.parallelize(slices, len(slices)).mapPartitions(_share(tasks))
    if not shared.partitionBy(tasks, _itself).mapPartitions(_write(log.keys, str(folder))).count():
        pq.write_table(newest_of(log.schema.empty_table(), log.keys), folder / "part-0.parquet")


def _share(tasks: int) -> Callable[[Iterable[LogFiles]], Iterator[tuple[int, bytes]]]:
    """Return the function that hands the newest rows of some files on, to the task that all rows of an entity go to."""

    def share(given: Iterable[LogFiles]) -> Iterator[tuple[int, bytes]]:
        for log in given:
            rows = read_newest(log)
            task = partition_of([rows[name] for name in log.keys], tasks)
            for one in np.unique(task).tolist():
                yield one, _bytes_of(rows.filter(pa.array(task == one)))

    return share


def _write(keys: Sequence[str], folder: str) -> Callable[[Iterable[tuple[int, bytes]]], Iterator[int]]:
    def write(given: Iterable[tuple[int, bytes]]) -> Iterator[int]:
        received = [pa.ipc.open_stream(rows).read_all() for _, rows in given]
        if received:
            rows = newest_of(pa.concat_tables(received), keys)
            pq.write_table(rows, f"{folder}/{uuid.uuid4().hex}.parquet")
            yield len(rows)

    return write


def _itself(task: int) -> int:
    return task


def _bytes_of(rows: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as stream:
        stream.write_table(rows)
    return bytes(sink.getvalue())
