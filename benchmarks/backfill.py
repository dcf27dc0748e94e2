"""Backfill of a velocity view: Millrace's feature log against range frames in plain Spark SQL, in one Spark session.

`python -m benchmarks.backfill [--events 1750000] [--runs 3]`. The peer computes, for each event, count, sum, mean, max and
standard deviation of an amount over the 10 minutes, hour and day before it, and writes them as Parquet: only the rows of
arriving events. Ours writes the view's whole feature log: also the rows at which events leave. Events of 5,000 keys over 183
days, of both sides from the same Parquet. Medians of the runs; the first run of each side only warms up.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F  # noqa: N812

from contract.durations import DAY, HOUR, MINUTE
from pipelines.batch.backfill import run_backfill
from pipelines.batch.session import open_spark
from pipelines.plan import EventTable, ViewPlan
from pipelines.semantics.aggregators.table import parse_function
from pipelines.semantics.feature import Feature
from pipelines.semantics.windows import Window as Span
from pipelines.semantics.windows import default_slide
from pipelines.stream.sinks import land_events

START = 1_735_689_600_000_000  # 2025-01-01
DAYS = 183
SIZES = {"10m": 10 * MINUTE, "1h": HOUR, "24h": DAY}
FUNCTIONS = ("count", "sum", "mean", "max", "std")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_750_000)
    parser.add_argument("--keys", type=int, default=5_000)
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        plan = plan_of(Path(folder))
        land_events(make_events(given.events, given.keys), Path(plan.table.lake), "at")
        spark = open_spark("benchmark", Path(folder) / "spark.log")
        peer_rows, peer = median_of(given.runs, lambda: peer_run(spark, plan, Path(folder) / "peer"))
        rows, ours = median_of(given.runs, lambda: our_run(spark, plan))
        spark.stop()
    print(f"{given.events:,} events, {given.keys:,} keys, 15 features, median of {given.runs} runs")
    print(f"  range frames  {peer:6.1f} s  {peer_rows:>10,} rows  {peer_rows / peer:>10,.0f} rows/s")
    print(f"  millrace      {ours:6.1f} s  {rows:>10,} rows  {rows / ours:>10,.0f} rows/s")
    print(f"  a row {rows / ours / (peer_rows / peer):.1f}x, an event {peer / ours:.2f}x")


def make_events(count: int, keys: int) -> pa.Table:
    """Return events over the days, in the order of time."""
    random = np.random.default_rng(7)
    at = START + np.sort(random.integers(0, DAYS * DAY, count))
    return pa.table(
        {
            "id": pa.array(np.arange(count)),
            "at": pa.array(at, pa.timestamp("us", "UTC")),
            "key": pa.array(random.integers(0, keys, count)),
            "amount": pa.array(np.round(random.gamma(2.0, 30.0, count), 2)),
        }
    )


def plan_of(folder: Path) -> ViewPlan:
    """Return the plan of the view."""
    features = tuple(
        Feature(
            f"{function}_{label}",
            parse_function(function)[0],
            "amount",
            Span(size, default_slide(size)),
            None,
            function,
        )
        for label, size in SIZES.items()
        for function in FUNCTIONS
    )
    columns = (("id", "bigint"), ("at", "timestamp"), ("key", "bigint"), ("amount", "double"))
    table = EventTable("bench", str(folder / "lake"), "at", "id", "bench", "key", columns)
    return ViewPlan("bench", "stream", ("key",), features, table, str(folder / "log"))


def median_of(runs: int, run: Callable[[], int]) -> tuple[int, float]:
    """Return the rows that a run gives, and the median of its seconds."""
    rows = run()
    took = []
    for _ in range(runs):
        began = time.perf_counter()
        run()
        took.append(time.perf_counter() - began)
    return rows, statistics.median(took)


def our_run(spark: SparkSession, plan: ViewPlan) -> int:
    """Fill the log of all days."""
    shutil.rmtree(plan.log, ignore_errors=True)
    return sum(filled.rows for filled in run_backfill(spark, [plan], START, START + DAYS * DAY))


def peer_run(spark: SparkSession, plan: ViewPlan, folder: Path) -> int:
    """Compute the same windows at each event with range frames, and write them as Parquet by day."""
    events = spark.read.parquet(plan.table.lake).select("key", "at", "amount", F.unix_micros("at").alias("t"))
    frames: DataFrame = events
    for label, size in SIZES.items():
        frame = Window.partitionBy("key").orderBy("t").rangeBetween(-size, -1)
        columns = {"count": F.count, "sum": F.sum, "mean": F.avg, "max": F.max, "std": F.stddev_samp}
        frames = frames.withColumns({f"{name}_{label}": of("amount").over(frame) for name, of in columns.items()})
    rows = frames.drop("amount", "t").withColumn("date", F.to_date("at"))
    rows.write.mode("overwrite").parquet(str(folder))
    return spark.read.parquet(str(folder)).count()


if __name__ == "__main__":
    main()
