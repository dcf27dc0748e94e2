"""Computes the feature logs of views over history, by day, and the state that a stream starts from."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from pipelines.arrange import needed_columns
from pipelines.batch.event_files import EventFiles, find_event_files, read_events
from pipelines.batch.here import end_of_rows
from pipelines.batch.log_files import filling, replace_days
from pipelines.batch.task import EVENTS_AT_ONCE, Done, Part, fill_task, read_and_fill_task, share_task
from pipelines.plan import ViewPlan
from workspace.addresses import inside
from workspace.one_at_a_time import one_at_a_time

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

JOBS_AT_ONCE = 2  # the driver's part of a small job is longer than that of the tasks
EVENTS_A_TASK = 1_000_000  # many, for each task writes a file a day
FEW_TASKS = (
    4  # each of them reads all events itself, at a twentieth of what a task costs; handing them on costs a tenth
)
EVENTS_A_JOB = 2_000_000  # up to here the views of a table share a job, which costs about a second however small it is


@dataclass(frozen=True, slots=True)
class Filled:
    """What the backfill of one view did.

    Attributes:
        view: The view.
        events: Events read, those before the first day included.
        rows: Rows written to the feature log.
        seconds: Wall time of the job, which it may have shared with other views.
    """

    view: str
    events: int
    rows: int
    seconds: float


Check = Callable[[ViewPlan, Sequence[str]], object]
"""Looks at a view's new rows, given the addresses of their files; what it raises leaves the log as it was."""


def run_backfill(
    spark: SparkSession, plans: Sequence[ViewPlan], start: int, stop: int, check: Check | None = None
) -> Iterator[Filled]:
    """Compute the feature log of each view for `start <= event_timestamp < stop`, and yield what was done, one by one.

    Both are microseconds; `start` is a midnight UTC. The days asked for are replaced as a whole, other days are not
    touched; doing it again gives the same. Only the days that can matter are read. A batch view's row of the very instant
    `stop` is written as well, unless its day has been filled before: it is what must be online from then on.

    Args:
        spark: The session.
        plans: The views.
        start: The first instant.
        stop: The end.
        check: Called with each view's new rows before they replace those of its log; None to take them as they are.

    Raises:
        LakeError: The lake has no such events.
        EventError: Events without key, time or id.
    """
    with ThreadPoolExecutor(JOBS_AT_ONCE) as pool:
        waiting = [pool.submit(_fill_views, spark, job, start, stop, check) for job in jobs_of(plans, start, stop)]
        try:
            for one in waiting:
                yield from one.result()
        finally:
            for one in waiting:
                one.cancel()


@dataclass(frozen=True, slots=True)
class Job:
    """Views of one table that are filled together.

    Attributes:
        plans: The views.
        files: The files with their events.
        start: The first instant of the events that they need, microseconds.
    """

    plans: tuple[ViewPlan, ...]
    files: EventFiles
    start: int


def jobs_of(plans: Sequence[ViewPlan], start: int, stop: int) -> list[Job]:
    """Divide plans into jobs: views of one table share a job while it has few events, others have one of their own.

    Raises:
        LakeError: A lake has no such events.
    """
    tables: dict[tuple[str, str, str], list[ViewPlan]] = {}
    for plan in plans:
        tables.setdefault((plan.table.lake, plan.table.timestamp, plan.table.event_id), []).append(plan)
    jobs = []
    for together in tables.values():
        first = start - max(plan.reach for plan in together)
        files = find_event_files(together[0].table.lake, first, stop, EVENTS_AT_ONCE)
        size = max(1, EVENTS_A_JOB // max(sum(files.rows), 1))
        jobs += [Job(tuple(together[at : at + size]), files, first) for at in range(0, len(together), size)]
    return jobs


def _fill_views(spark: SparkSession, job: Job, start: int, stop: int, check: Check | None) -> list[Filled]:
    """Compute and replace the days of the logs of views of one table.

    Raises:
        HeldError: Another job fills a log of theirs.
    """
    began = time.monotonic()
    with ExitStack() as held:
        parts = [
            Part(plan, start, end_of_rows(plan, stop), held.enter_context(filling(plan.log))) for plan in job.plans
        ]
        written = _run(spark, job, parts, stop) if job.files.pieces else []
        made_of = [[done for done in written if done.view == number] for number in range(len(parts))]
        if check is not None:
            for part, mine in zip(parts, made_of, strict=True):
                if new := [inside(part.staging, file.file) for done in mine for file in done.files]:
                    check(part.plan, new)
        filled = []
        for part, mine in zip(parts, made_of, strict=True):
            files = [file for done in mine for file in done.files]
            replace_days(part.plan.log, part.staging, files, start, part.stop)
            read, made = sum(done.events for done in mine), sum(file.rows for file in files)
            filled.append(Filled(part.plan.view, read, made, time.monotonic() - began))
        return filled


def _run(spark: SparkSession, job: Job, parts: Sequence[Part], stop: int) -> list[Done]:
    """Let Spark share the events among tasks by entity, and the tasks write the rows; only what they wrote comes back."""
    from pyspark.cloudpickle import register_pickle_by_value

    for plan in job.plans:
        if plan.transform is not None:
            register_pickle_by_value(sys.modules[plan.transform.__module__])  # type: ignore[no-untyped-call]
    context = spark.sparkContext
    cores, events = context.defaultParallelism, sum(job.files.rows)
    tasks = -(-max(len(parts) * events // EVENTS_A_TASK, 1) // cores) * cores  # so that all cores end at the same time
    if tasks <= FEW_TASKS:
        alone = read_and_fill_task(parts, job.files, job.start, stop, tasks)
        return list(context.parallelize(range(tasks), tasks).mapPartitions(alone).collect())
    slices = job.files.slices(min(EVENTS_AT_ONCE, -(-events // cores)))
    shared = context.parallelize(slices, len(slices)).mapPartitions(share_task(job.plans, job.start, stop, tasks))
    return list(shared.partitionBy(tasks, _itself).mapPartitions(fill_task(parts)).collect())


def _itself(task: int) -> int:
    return task


def hand_over(plans: Sequence[ViewPlan], cut: int, state: Path) -> None:
    """Write, for each stream view, the events that still matter at `cut` (microseconds): what its stream starts from.

    One folder a view: `events/` in Parquet, and `cut.json`, written last. No more than some events are held at a time.

    Raises:
        LakeError: A lake has no days at all.
        HeldError: Another backfill hands a view over.
    """
    for plan in plans:
        if plan.kind == "stream":
            with one_at_a_time(state / f".{plan.view}.handing-over", f"{plan.view} is being handed over"):
                _hand_view_over(plan, cut, state / plan.view)


def _hand_view_over(plan: ViewPlan, cut: int, home: Path) -> None:
    mark, folder = home / "cut.json", home / "events"
    mark.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    table, first = plan.table, cut - plan.reach
    columns = None if plan.transform else needed_columns(plan)
    files = find_event_files(table.lake, first, cut, EVENTS_AT_ONCE)
    found = read_events(files, columns, table.timestamp, first, cut, EVENTS_AT_ONCE) if files.pieces else ()
    for number, events in enumerate(chain([table.schema().empty_table()], found)):
        pq.write_table(events, folder / f"part-{number}.parquet", compression="zstd")
    mark.write_text(json.dumps({"view": plan.view, "cut": cut}))
