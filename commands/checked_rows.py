"""Where the rows lie that a gate is to look at, and which engine looks: frames for few, DuckDB for many, Spark on a cluster."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.batch.here import are_few
from workspace.addresses import inside, is_local, list_files, open_address

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from commands.gates import Rows


def files_of_days(folder: str, days: Sequence[str]) -> list[str]:
    """Return the addresses of the Parquet files of some days of a lake or a log."""
    found = []
    for day in days:
        home = inside(folder, f"date={day}")
        found += [
            inside(home, one.base_name)
            for one in list_files(home)
            if one.extension == "parquet" and one.base_name[0] not in "._"
        ]
    return found


def on_a_cluster() -> bool:
    """Say whether Spark is more than this machine."""
    return not os.environ.get("SPARK_MASTER", "local").startswith("local")


def rows_of(files: Sequence[str], spark: Callable[[], SparkSession] | None = None, *, many: bool = False) -> Rows:
    """Return the rows of files as a gate takes them.

    Args:
        files: Their addresses, at least one.
        spark: Gives the session that is to look at them; None to look from here.
        many: Whether they are many in any case, as the rows of a feature log.
    """
    import pyarrow.dataset as ds
    import pyarrow.parquet as pq

    from validation.gates.engine import open_duckdb
    from validation.gates.whole import Many

    if spark is not None:
        from validation.spark.engine import open_spark_frame

        session = spark
        return lambda: open_spark_frame(session().read.parquet(*files))
    if not is_local(files[0]):
        system, _ = open_address(files[0])
        return partial(open_duckdb, ds.dataset([open_address(file)[1] for file in files], filesystem=system))
    paths = tuple(Path(file) for file in files)
    few = not many and are_few(sum(pq.read_metadata(path).num_rows for path in paths))
    return paths if few else Many(paths)
