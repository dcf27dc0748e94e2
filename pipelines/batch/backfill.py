"""Computes the feature log of a view over history, by day, and the state that a stream starts from."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.batch.compute import log_task
from pipelines.batch.lake import DAY, day_of, read_events
from pipelines.batch.log_files import DayFile, drop_staging, has_day, open_staging, replace_days
from pipelines.plan import ViewPlan

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

VIEWS_AT_ONCE = 2  # the driver's part of a small job is longer than that of the tasks
EVENTS_A_TASK = 400_000  # a task's rows stay in memory until they are written: some 500 MB


@dataclass(frozen=True, slots=True)
class Filled:
    """What the backfill of one view did.

    Attributes:
        view: The view.
        events: Events read, those before the first day included.
        rows: Rows written to the feature log.
        seconds: Wall time.
    """

    view: str
    events: int
    rows: int
    seconds: float


def run_backfill(spark: SparkSession, plans: Sequence[ViewPlan], start: int, stop: int) -> Iterator[Filled]:
    """Compute the feature log of each view for `start <= event_timestamp < stop`, and yield what was done, one by one.

    Both are microseconds; `start` is a midnight UTC. The days asked for are replaced as a whole, other days are not
    touched; doing it again gives the same. Only the days that can matter are read. A batch view's row of the very instant
    `stop` is written as well, unless its day has been filled before: it is what must be online from then on.

    Raises:
        LakeError: The lake has no such events.
        EventError: Events without key, time or id.
    """
    with ThreadPoolExecutor(VIEWS_AT_ONCE) as pool:
        waiting = [pool.submit(_fill_view, spark, plan, start, stop) for plan in plans]
        try:
            for one in waiting:
                yield one.result()
        finally:
            for one in waiting:
                one.cancel()


def _fill_view(spark: SparkSession, plan: ViewPlan, start: int, stop: int) -> Filled:
    began = time.monotonic()
    events = _needed(spark, plan, start - plan.reach, stop)
    count = events.count()
    last = stop + 1 if plan.kind == "batch" and (stop % DAY or not has_day(plan.log, day_of(stop))) else stop
    rows = _fill(events, plan, start, last, tasks=-(-count // EVENTS_A_TASK))
    return Filled(plan.view, count, rows, time.monotonic() - began)


def hand_over(spark: SparkSession, plans: Sequence[ViewPlan], cut: int, state: Path) -> None:
    """Write, for each stream view, the events that still matter at `cut` (microseconds): what its stream starts from.

    One folder a view: `events/` in Parquet, and `cut.json`, written last.
    """
    for plan in plans:
        if plan.kind == "stream":
            folder = state / plan.view
            mark = folder / "cut.json"
            mark.unlink(missing_ok=True)
            _needed(spark, plan, cut - plan.reach, cut).write.mode("overwrite").parquet(str(folder / "events"))
            mark.write_text(json.dumps({"view": plan.view, "cut": cut}))


def _needed(spark: SparkSession, plan: ViewPlan, start: int, stop: int) -> DataFrame:
    """Return the events of a span, with only the columns that the view reads (all of them, if it has a transform)."""
    events = read_events(spark, plan.table, start, stop)
    if plan.transform is not None:
        return events
    names = dict.fromkeys((*plan.keys, plan.table.timestamp, plan.table.event_id, *plan.inputs))
    return events.select(*names)


def _fill(events: DataFrame, plan: ViewPlan, start: int, stop: int, tasks: int) -> int:
    """Compute and replace the days of the log; return the number of rows."""
    from pyspark.cloudpickle import register_pickle_by_value

    if plan.transform is not None:
        register_pickle_by_value(sys.modules[plan.transform.__module__])  # type: ignore[no-untyped-call]
    by_entity = events.repartition(max(tasks, events.sparkSession.sparkContext.defaultParallelism), *plan.keys)
    staging = open_staging(plan.log)
    try:
        written = by_entity.mapInArrow(
            log_task(plan, start, stop, staging), "date string, file string, rows long"
        ).collect()
        files = [DayFile(row["date"], row["file"], row["rows"]) for row in written]
        replace_days(plan.log, staging, files, start, stop)
    finally:
        drop_staging(staging)
    return sum(file.rows for file in files)
