"""Brings the feature log of a batch view up to the last instant that is due: what is new since the last time, at its slide."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipelines.batch.backfill import run_backfill
from pipelines.batch.here import fill_here
from pipelines.batch.lake import DAY, LakeError, days_of, micros, newest_event
from pipelines.plan import ViewPlan

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@dataclass(frozen=True, slots=True)
class Due:
    """What of a view's log is to be computed.

    Attributes:
        start: The midnight, microseconds, from which on its days are computed anew.
        until: The instant of the last rows.
    """

    start: int
    until: int


def slide_of(plan: ViewPlan) -> int:
    """Return the microseconds from one instant at which a batch view can change to the next (rule 2)."""
    return math.gcd(*(feature.window.slide for feature in plan.features))


def find_due(plan: ViewPlan, last: int | None, landed: int | None) -> Due | None:
    """Return what is to be computed; None where the log is up to date.

    The day of the last refresh is computed anew, so what has landed since then of that day counts.

    Args:
        plan: A batch view.
        last: The instant up to which it has been refreshed, microseconds; None for never: then from the newest day of the
            log on, or, without a log, from the first day of the lake.
        landed: The instant before which all events are in the lake; None for the newest event's.

    Raises:
        LakeError: The lake is empty.
    """
    days = days_of(plan.table.lake)
    if not days:
        raise LakeError(f"{plan.view}: no events in {plan.table.lake}; land them there by day first.")
    if landed is None:
        landed = newest_event(plan.table, days[-1])
    slide = slide_of(plan)
    until = landed - landed % slide
    if last is None:
        last = micros((days_of(plan.log) or days)[-1 if days_of(plan.log) else 0])
    elif until <= last:
        return None
    return Due(last - last % DAY, until) if until >= last - last % DAY else None


def fill_due(spark: Callable[[], SparkSession], plan: ViewPlan, due: Due) -> None:
    """Compute what is due and replace its days as a whole; doing it again gives the same. Few events need no Spark.

    Raises:
        EventError: Events without key, time or id.
    """
    if not fill_here(plan, due.start, due.until + 1):
        for _ in run_backfill(spark(), [plan], due.start, due.until + 1):
            pass
