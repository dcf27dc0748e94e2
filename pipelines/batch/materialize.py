"""Brings the newest rows of a feature log into the online store: from Spark's tasks, or from here when they are few."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from pipelines.batch.here import are_few
from pipelines.batch.newest import find_log_files, read_newest, write_newest
from pipelines.plan import ViewPlan
from stores.parquet.feature_log import FeatureLogMissingError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


class TableWriter(Protocol):
    """The online store of one view, as a task sees it."""

    def write(self, table: pa.Table, timestamp_column: str) -> object:
        """Store rows; older ones never replace newer ones."""


class NothingToMaterializeError(ValueError):
    """The feature log is not there."""


def stage_newest(spark: Callable[[], SparkSession], plan: ViewPlan, until: int, staging: Path) -> Path:
    """Write the newest row of each entity with `event_timestamp < until` (microseconds) to a folder, and return it.

    Nothing is stored online yet: the rows wait where a gate can look at them. Rows past their ttl at `until` stay out.
    Spark is only asked for when the log holds more than few rows.

    Raises:
        NothingToMaterializeError: The view has no feature log.
    """
    try:
        log = find_log_files(plan, until)
    except FeatureLogMissingError as error:
        raise NothingToMaterializeError(str(error)) from None
    folder = staging / plan.view
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if are_few(sum(log.rows)):
        pq.write_table(read_newest(log), folder / "part-0.parquet")
    else:
        write_newest(spark(), log, folder)
    return folder


def store_rows(spark: Callable[[], SparkSession], folder: Path, open_writer: Callable[[], TableWriter]) -> int:
    """Write staged rows to the online store, from Spark's tasks when they are not few; return how many rows went."""
    staged = ds.dataset(sorted(folder.glob("[!._]*.parquet")))
    if are_few(staged.count_rows()):
        rows = staged.to_table()
        open_writer().write(rows, "event_timestamp")
        return len(rows)

    def write(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        writer = open_writer()
        for batch in batches:
            writer.write(pa.Table.from_batches([batch]), "event_timestamp")
            yield pa.record_batch({"rows": pa.array([batch.num_rows], pa.int64())})

    sent = spark().read.parquet(str(folder)).mapInArrow(write, "rows long").collect()
    return sum(row["rows"] for row in sent)
