"""A small job that uses what jobs use, so that Java and the Python workers are warm when a real one comes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def run_small_job(spark: SparkSession) -> None:
    """Read events by day, hand them by key to Python tasks, write the newest of each key: what backfills and the like do."""
    from pyspark.sql import functions as F  # noqa: N812 - the name Spark's own documentation uses

    with tempfile.TemporaryDirectory(prefix="millrace-small-job-") as name:
        folder = Path(name)
        _write_events(folder / "lake")
        at = F.col("at")
        events = spark.read.parquet(str(folder / "lake")).where(
            (F.col("date") >= "2026-01-01") & (at >= F.timestamp_micros(F.lit(0)))
        )
        events.count()
        twice = F.array(*[F.struct(F.lit(n).alias("view"), F.xxhash64("key").alias("by")) for n in (0, 1)])
        shared = events.select("*", F.inline(twice)).repartition(2, "view", "by")
        shared.mapInArrow(_count, "file string, rows long").collect()
        newest = events.groupBy("key").agg(F.max_by(F.struct("value", "list"), "at").alias("newest"))
        newest.select("key", "newest.*").write.mode("overwrite").parquet(str(folder / "newest"))


def _write_events(lake: Path) -> None:
    at = pa.array([0, 1, 2], pa.timestamp("us", "UTC"))
    columns = {"at": at, "id": [1, 2, 3], "key": ["a", "b", "b"], "value": [0.5, 1.5, None], "list": [[1], [], None]}
    for day in ("2026-01-01", "2026-01-02"):
        (lake / f"date={day}").mkdir(parents=True)
        pq.write_table(pa.table(columns), lake / f"date={day}" / "part.parquet", compression="zstd")


def _count(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        yield pa.record_batch({"file": pa.array([""]), "rows": pa.array([batch.num_rows], pa.int64())})
