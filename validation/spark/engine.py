"""Gives a Spark frame as an engine of the gates. Spark itself is somebody else's: this room only asks it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC
from typing import TYPE_CHECKING, Any, Final

from validation.gates.engine import Dialect, Engine

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

SPARK: Final = Dialect(
    "`",
    "unix_micros(CAST({} AS TIMESTAMP))",
    "\\",
    "percentile_approx({}, array(0.25, 0.5, 0.75), 500)",  # of a rank 0.2 % off at most; the exact one keeps all values
    "xxhash64",
    "DECIMAL(38, 0)",
    {
        "int64": ("BIGINT",),
        "int32": ("INT",),
        "int16": ("SMALLINT",),
        "float64": ("DOUBLE",),
        "float32": ("FLOAT",),
        "bool_": ("BOOLEAN",),
        "str": ("STRING",),
        "Timestamp": ("TIMESTAMP",),
        "datetime64": ("TIMESTAMP_NTZ",),
    },
)


@contextmanager
def open_spark_frame(frame: DataFrame) -> Iterator[Engine]:
    """Give a Spark frame's rows as an engine; queries run where they lie. The session is in UTC."""
    name = f"checked_{uuid.uuid4().hex}"
    frame.createOrReplaceTempView(name)

    def run(sql: str) -> Sequence[Sequence[Any]]:
        found = frame.sparkSession.sql(sql)
        # Collected, a time has lost its zone, and is that of this process.
        zoned = [place for place, (_, kind) in enumerate(found.dtypes) if kind == "timestamp"]
        return [_with_zone(row, zoned) for row in found.collect()] if zoned else found.collect()

    try:
        yield Engine(name, SPARK, {column: kind.upper() for column, kind in frame.dtypes}, run)
    finally:
        frame.sparkSession.catalog.dropTempView(name)


def _with_zone(row: Sequence[Any], zoned: Sequence[int]) -> Sequence[Any]:
    return [value.astimezone(UTC) if place in zoned and value is not None else value for place, value in enumerate(row)]
