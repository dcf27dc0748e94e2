"""Few rows need no Spark: read in this process, in the form in which Spark's tasks get them.

Spark's part of a job costs about a second, however small the job is.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from pipelines.batch.compute import log_tables
from pipelines.batch.event_files import as_spark_has_it, find_event_files, read_events
from pipelines.batch.lake import DAY, day_of, days_of
from pipelines.batch.log_files import filling, has_day, replace_days
from pipelines.batch.task import write_log
from pipelines.plan import EventTable, ViewPlan

FEW = 400_000
"""Rows that one process takes at once: some 500 MB."""


def are_few(rows: int) -> bool:
    """Say whether so many rows need no Spark."""
    return rows <= FEW


def few_events(table: EventTable, start: int, stop: int) -> pa.Table | None:
    """Return the events with `start <= event time < stop` (microseconds); None if there is no file of theirs, or many are.

    Raises:
        LakeError: The lake has no days at all.
    """
    files = find_event_files(table.lake, start, stop, FEW + 1)
    if not files.pieces or not are_few(sum(files.rows)):
        return None
    return pa.concat_tables(read_events(files, None, table.timestamp, start, stop, FEW))


def fill_here(plan: ViewPlan, start: int, stop: int) -> bool:
    """Compute and replace the days of a log as `run_backfill` does, in this process; say whether the events were few.

    Raises:
        EventError: Events without key, time or id.
        HeldError: Another job fills the log.
    """
    events = few_events(plan.table, start - plan.reach, stop)
    if events is None:
        return False
    end = end_of_rows(plan, stop)
    with filling(plan.log) as staging:
        files = list(write_log(log_tables(plan, events, start, end, DAY), staging))
        replace_days(plan.log, staging, files, start, end)
    return True


def end_of_rows(plan: ViewPlan, stop: int) -> int:
    """Return the end of the rows to compute, microseconds: a batch view's of the instant `stop` belong to them, unless its
    day has been filled before.
    """
    return stop + 1 if plan.kind == "batch" and (stop % DAY or not has_day(plan.log, day_of(stop))) else stop


def files_of(folder: str, start: int, stop: int) -> list[Path]:
    """Return the files on this machine of the days that hold an instant of `start <= t <= stop`, by day."""
    first, last = day_of(max(start, 0)), day_of(stop)
    days = [day for day in days_of(folder) if first <= day <= last]
    return [file for day in days for file in sorted((Path(folder) / f"date={day}").glob("[!._]*.parquet"))]


def read_files(files: Sequence[Path], columns: Sequence[str] | None, where: pc.Expression | None = None) -> pa.Table:
    """Read files in the newest one's schema, types as Spark hands them to its tasks.

    Args:
        files: The files, oldest first; at least one.
        columns: What to read; None for all.
        where: Which rows; None for all.
    """
    schema = pq.read_schema(files[-1])
    wanted = list(columns) if columns is not None else None
    table = ds.dataset(files, schema=schema).to_table(columns=wanted, filter=where)
    return table.cast(as_spark_has_it(table.schema))
