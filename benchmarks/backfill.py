"""Backfill of a velocity view: Millrace's feature log against range frames in plain Spark SQL, in one Spark session.

`python -m benchmarks.backfill [--events 1750000] [--runs 3]`. The peer computes, for each event, count, sum, mean, max and
standard deviation of an amount over the 10 minutes, hour and day before it, and writes them as Parquet: only the rows of
arriving events. Ours writes the view's whole feature log: also the rows at which events leave. Events of 5,000 keys over 183
days, of both sides from the same Parquet. The sides take turns; medians of the runs; the first run of each only warms up.

`--grow` shows what ours costs from 400,000 to 17,500,000 events (the most: ten times the same, with other ids and keys),
with 5,000,000 events of one key, and for one new day; each in a session of its own, the second run of it (of the most, the first); and the most
memory that a task's process ever had, and what it had before its first task.
"""

from __future__ import annotations

import argparse
import contextlib
import os
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
from pipelines.plan import EventTable, ViewPlan
from pipelines.semantics.aggregators.table import parse_function
from pipelines.semantics.feature import Feature
from pipelines.semantics.windows import Window as Span
from pipelines.semantics.windows import default_slide
from pipelines.stream.sinks import land_events
from workspace.spark_session import open_spark

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
    parser.add_argument("--grow", action="store_true", help="how ours grows, without the peer")
    given = parser.parse_args()
    if given.grow:
        for events, keys, copies in (
            (400_000, 5_000, 1),
            (900_000, 5_000, 1),
            (1_750_000, 5_000, 1),
            (1_750_000, 5_000, 10),
        ):
            grow(events, keys, copies)
        grow(5_000_000, 1, 1)
        return
    with tempfile.TemporaryDirectory() as folder:
        plan = plan_of(Path(folder))
        land_events(make_events(given.events, given.keys), Path(plan.table.lake), "at")
        spark = open_spark("benchmark", Path(folder) / "spark.log")
        sides = {
            "range frames": lambda: peer_run(spark, plan, Path(folder) / "peer"),
            "millrace": lambda: our_run(spark, plan),
        }
        rows = {name: run() for name, run in sides.items()}
        took: dict[str, list[float]] = {name: [] for name in sides}
        for _ in range(given.runs):
            for name, run in sides.items():
                took[name].append(seconds_of(run))
        spark.stop()
    print(f"{given.events:,} events, {given.keys:,} keys, 15 features, median of {given.runs} runs")
    median = {name: statistics.median(each) for name, each in took.items()}
    for name, made in rows.items():
        print(f"  {name:12}  {median[name]:6.1f} s  {made:>10,} rows  {made / median[name]:>10,.0f} rows/s")
    peer, ours = median.values()
    peer_rows, our_rows = rows.values()
    print(f"  a row {our_rows / ours / (peer_rows / peer):.1f}x, an event {peer / ours:.2f}x")


def grow(events: int, keys: int, copies: int) -> None:
    """Print what the whole history costs, and its last day alone."""
    with tempfile.TemporaryDirectory() as folder:
        plan = plan_of(Path(folder))
        for copy in range(copies):
            land_events(make_events(events, keys, copy), Path(plan.table.lake), "at")
        spark = open_spark("benchmark", Path(folder) / "spark.log")
        if copies == 1:
            our_run(spark, plan)
        whole = seconds_of(lambda: our_run(spark, plan))
        end = START + DAYS * DAY
        day = seconds_of(lambda: sum(filled.rows for filled in run_backfill(spark, [plan], end - DAY, end)))
        least, most = memory_of_tasks()
        spark.stop()
    count = events * copies
    print(
        f"{count:>11,} events  {keys * copies:>6,} keys  {whole:6.1f} s  {whole / count * 1e6:5.2f} us an event;"
        f" one day {day:5.2f} s; a task's memory {most:,.0f} MB, {least:,.0f} of them before it",
        flush=True,
    )


def seconds_of(run: Callable[[], int]) -> float:
    """Return how long something takes."""
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def memory_of_tasks() -> tuple[float, float]:
    """Return the memory of the process that Spark's Python workers are forked from, and the most that one of them had, MB."""
    parents = {}
    for status in Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError):
            told = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
            parents[int(told["Pid"])] = int(told["PPid"]), int(told.get("VmHWM", "0 kB").split()[0]) / 1000
    mine = {os.getpid()}
    while more := {pid for pid, (parent, _) in parents.items() if parent in mine} - mine:
        mine |= more
    java = {pid for pid in mine if parents[pid][0] == os.getpid()}
    forks = {pid for pid in mine if parents[pid][0] in java}
    workers = [parents[pid][1] for pid in mine if parents[pid][0] in forks]
    return max(parents[pid][1] for pid in forks), max(workers)


def make_events(count: int, keys: int, copy: int = 0) -> pa.Table:
    """Return events over the days, in the order of time; another copy has other ids and keys."""
    random = np.random.default_rng(7)
    at = START + np.sort(random.integers(0, DAYS * DAY, count))
    return pa.table(
        {
            "id": pa.array(np.arange(count) + copy * count),
            "at": pa.array(at, pa.timestamp("us", "UTC")),
            "key": pa.array(random.integers(0, keys, count) + copy * keys),
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
