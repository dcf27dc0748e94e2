"""Brings the newest rows of a feature log into the online store: from Spark's tasks, or from here when they are few."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from pipelines.batch.here import are_few, newest_few
from pipelines.batch.lake import day_of
from pipelines.plan import ViewPlan

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


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
    folder = staging / plan.view
    few = newest_few(plan, until)
    if few is None:
        _newest(spark(), plan, until).write.mode("overwrite").parquet(str(folder))
    else:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        pq.write_table(few, folder / "part-0.parquet")
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


def _newest(spark: SparkSession, plan: ViewPlan, until: int) -> DataFrame:
    from pyspark.errors import AnalysisException
    from pyspark.sql import functions as F  # noqa: N812

    try:
        log = spark.read.parquet(plan.log)
    except AnalysisException as error:
        raise NothingToMaterializeError(
            f"{plan.view}: no feature log in {plan.log} ({error.getCondition()}); run `make backfill` first."
        ) from None
    at = F.col("event_timestamp")
    rows = log.where((F.col("date") <= day_of(until)) & (at < F.timestamp_micros(F.lit(until))))
    if plan.ttl:
        oldest = until - plan.ttl
        rows = rows.where((F.col("date") >= day_of(oldest)) & (at >= F.timestamp_micros(F.lit(oldest))))
    kept = [name for name in log.columns if name not in (*plan.keys, "date")]
    newest = rows.groupBy(*plan.keys).agg(F.max_by(F.struct(*kept), "event_timestamp").alias("newest"))
    return newest.select(*plan.keys, "newest.*")
