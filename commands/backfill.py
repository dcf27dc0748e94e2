"""Fills the feature logs from the lake, day by day, and hands over to the stream. `make backfill FROM= TO=`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from commands.checked_rows import files_of_days, on_a_cluster, rows_of
from commands.event_tables import event_sources
from commands.gates import event_gate, feature_gate
from commands.plan import picked_plans
from commands.progress import Progress
from commands.table import show_table
from pipelines.batch.backfill import Filled, hand_over, run_backfill
from pipelines.batch.lake import DAY, DayError, LakeError, day_of, days_of, micros, newest_event
from pipelines.batch.work_seen import rows_under_way, see_tasks
from pipelines.plan import ViewPlan
from workspace.spark_session import open_spark
from workspace.workspace import Workspace

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def days_to_fill(plans: Sequence[ViewPlan], first: str | None, last: str | None) -> tuple[int, int]:
    """Return the span to fill, microseconds, the end open: the days asked for, else all days of the lake.

    It ends at the newest event, where that is before the end of the last day: what is to come nobody knows, and rows of
    the future would keep the stream's own out of Redis.

    Raises:
        LakeError: The lake is empty.
        DayError: A day is not one, or the last is before the first.
    """
    days = sorted({day for plan in plans for day in days_of(plan.table.lake)})
    if not days:
        lakes = ", ".join(sorted({plan.table.lake for plan in plans}))
        raise LakeError(f"no events in {lakes}; land Parquet there in date=YYYY-MM-DD folders, or run `make simulate`.")
    start, stop = micros(first or days[0]), micros(last or days[-1]) + DAY
    if start >= stop:
        raise DayError(f"FROM={first} is after TO={last}; give the first day first.")
    newest = max(newest_event(plan.table, day_of(stop - DAY)) for plan in plans)
    return start, min(stop, newest + 1) if newest >= start else stop


def backfill(
    spark: SparkSession, workspace: Workspace, plans: Sequence[ViewPlan], start: int, stop: int
) -> Iterator[Filled]:
    """Fill `start <= event_timestamp < stop` of every view, tell and yield what was done, and hand over at `stop`.

    Raises:
        ValidationFailed: New rows of a view break an expectation; its log is as it was, and nothing is handed over.
    """
    progress, days = Progress(len(plans)), -(-(stop - start) // DAY)

    def look() -> str:
        return f"{rows_under_way(plans):,} rows written  {see_tasks(spark)}".rstrip()

    with progress.watching(look):
        progress.now(f"{days} days")
        for done in run_backfill(spark, plans, start, stop, partial(_check_log, workspace, spark)):
            progress.finish(done.view, done.rows, done.seconds, days)
            yield done
        progress.now("hand-over to the stream")
        hand_over(plans, stop, workspace.state)


def _check_log(workspace: Workspace, spark: SparkSession, plan: ViewPlan, files: Sequence[str]) -> None:
    feature_gate(workspace, plan, rows_of(files, (lambda: spark) if on_a_cluster() else None, many=True), log=True)


def check_lake(workspace: Workspace, plans: Sequence[ViewPlan], start: int, stop: int) -> None:
    """Check the events of the days of `start <= event time < stop` before anything is computed from them.

    Raises:
        ValidationFailed: Events break an expectation; nothing is computed.
    """
    first, last = day_of(start), day_of(stop - 1)
    for source in event_sources(plans, []):
        days = [day for day in days_of(source.table.lake) if first <= day <= last]
        if files := files_of_days(source.table.lake, days):
            event_gate(workspace, source.table, source.required, rows_of(files), landed=True)


def main() -> None:
    """Fill the days FROM to TO, both inclusive; without them, all days of the lake. VIEWS= picks some views.

    Raises:
        ValidationFailed: Events of these days, or rows made of them, break an expectation; logs are as they were.
    """
    workspace = Workspace.from_env()
    plans = picked_plans(workspace)
    start, stop = days_to_fill(plans, os.environ.get("FROM") or None, os.environ.get("TO") or None)
    check_lake(workspace, plans, start, stop)
    spark = open_spark("backfill", workspace.data / "spark.log")
    rows = []
    for done in backfill(spark, workspace, plans, start, stop):
        rows.append((done.view, f"{done.events:,}", f"{done.rows:,}", f"{done.seconds:.1f}"))
    show_table(("view", "events", "rows", "seconds"), rows)
    spark.stop()
