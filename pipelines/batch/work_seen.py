"""Looks at batch jobs from outside: the tasks that Spark has done of those begun, and the rows that wait in staging folders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipelines.batch.log_files import rows_staged
from pipelines.plan import ViewPlan

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def rows_under_way(plans: Sequence[ViewPlan]) -> int:
    """Return how many rows of the logs of views wait in staging folders."""
    return sum(rows_staged(plan.log) for plan in plans)


def see_tasks(spark: SparkSession) -> str:
    """Say how many tasks of the stages under way are done; empty while there are none."""
    tracker = spark.sparkContext.statusTracker()
    stages = [tracker.getStageInfo(number) for number in tracker.getActiveStageIds()]
    tasks = sum(stage.numTasks for stage in stages if stage)
    return f"task {sum(stage.numCompletedTasks for stage in stages if stage)} of {tasks}" if tasks else ""
