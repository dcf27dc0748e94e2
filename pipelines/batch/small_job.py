"""A small job that uses what jobs use, so that Java and the Python workers are warm when a real one comes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.batch.backfill import run_backfill
from pipelines.batch.lake import DAY, day_of
from pipelines.plan import EventTable, ViewPlan
from pipelines.semantics.aggregators.table import parse_function
from pipelines.semantics.feature import Feature
from pipelines.semantics.windows import Window

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

FIRST = 20_454 * DAY  # 2026-01-01


def run_small_job(spark: SparkSession) -> int:
    """Backfill a view over two days of events, hand its rows to Python tasks as Arrow's batches; return how many came."""
    with tempfile.TemporaryDirectory(prefix="millrace-small-job-") as name:
        plan = _plan(Path(name))
        _write_events(Path(plan.table.lake))
        for _ in run_backfill(spark, [plan], FIRST, FIRST + 2 * DAY):
            pass
        counted = spark.read.parquet(plan.log).mapInArrow(_count, "rows long").collect()
        return sum(row["rows"] for row in counted)


def _plan(folder: Path) -> ViewPlan:
    count = Feature("count_1h", parse_function("count")[0], None, Window(DAY // 24, DAY // 24 // 60), None, "count")
    columns = (("id", "bigint"), ("at", "timestamp"), ("key", "string"))
    table = EventTable("small", str(folder / "lake"), "at", "id", "small", "key", columns)
    return ViewPlan("small", "stream", ("key",), (count,), table, str(folder / "log"))


def _write_events(lake: Path) -> None:
    for day in (FIRST, FIRST + DAY):
        at = pa.array([day, day + 1, day + 2], pa.timestamp("us", "UTC"))
        events = pa.table({"at": at, "id": [day, day + 1, day + 2], "key": ["a", "b", "b"]})
        (lake / f"date={day_of(day)}").mkdir(parents=True)
        pq.write_table(events, lake / f"date={day_of(day)}" / "part.parquet", compression="zstd")


def _count(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        yield pa.record_batch({"rows": pa.array([batch.num_rows], pa.int64())})
