"""Makes the archive of Spark's classes with which Java starts in half the time. `make setup` runs it once.

Java loads, checks and links some twenty thousand classes for Spark, in the same way at every start. Here a small job uses
what jobs use, and Java writes the classes to a file, which later ones map into memory. Java itself sees whether the file
fits: with another Java or Spark it is passed over.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.batch.session import CLASSES, open_spark
from workspace.files import replacing
from workspace.java import find_java_home


def main() -> None:
    """Make the archive; where that does not work Spark is only slower, so it is told and no failure."""
    try:
        with replacing(CLASSES) as unfinished:
            make_archive(unfinished)
    except (OSError, subprocess.SubprocessError) as problem:
        print(f"no archive of Spark's classes ({problem}); Spark starts more slowly without", file=sys.stderr)


def make_archive(path: Path) -> None:
    """Run a small job and let its Java write the classes to `path`.

    Raises:
        FileNotFoundError: Java has written nothing.
        subprocess.SubprocessError: Java's own archive, which this one builds on, cannot be made.
    """
    java = find_java_home() / "bin" / "java"
    if subprocess.run([java, "-Xshare:on", "-version"], capture_output=True, check=False).returncode:
        subprocess.run(
            [java, "-Xshare:dump"], capture_output=True, check=True
        )  # the wheel's Java comes without its own
    with tempfile.TemporaryDirectory(prefix="millrace-classes-") as folder:
        log = Path(folder) / "spark.log"
        spark = open_spark("classes", log, brief=True, classes_to=path)
        run_small_job(spark, Path(folder))
        gateway: Any = spark.sparkContext._gateway
        spark.stop()
        gateway.proc.stdin.close()  # tells Java to end
        gateway.proc.wait()
        if not path.is_file():
            raise FileNotFoundError(f"Java wrote no {path}; it said: {log.read_text()[-500:]}")


def run_small_job(spark: Any, folder: Path) -> None:
    """Read events by day, hand them by key to Python tasks, write the newest of each key: what backfills and the like do."""
    from pyspark.sql import functions as F  # noqa: N812 - the name Spark's own documentation uses

    for day in ("2026-01-01", "2026-01-02"):
        (folder / "lake" / f"date={day}").mkdir(parents=True)
        at = pa.array([0, 1, 2], pa.timestamp("us", "UTC"))
        events = pa.table(
            {"at": at, "id": [1, 2, 3], "key": ["a", "b", "b"], "value": [0.5, 1.5, None], "list": [[1], [], None]}
        )
        pq.write_table(events, folder / "lake" / f"date={day}" / "part.parquet", compression="zstd")

    def write(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield pa.record_batch({"file": pa.array([""]), "rows": pa.array([batch.num_rows], pa.int64())})

    events = spark.read.parquet(str(folder / "lake")).where(
        (F.col("date") >= "2026-01-01") & (F.col("at") >= F.timestamp_micros(F.lit(0)))
    )
    events.count()
    events.repartition(2, "key").mapInArrow(write, "file string, rows long").collect()
    newest = events.groupBy("key").agg(F.max_by(F.struct("value", "list"), "at").alias("newest"))
    newest.select("key", "newest.*").write.mode("overwrite").parquet(str(folder / "newest"))


if __name__ == "__main__":
    main()
