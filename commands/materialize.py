"""Brings the newest row of every entity into the online store, behind a gate. `make materialize`."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from commands.gates import feature_gate
from commands.plain_views import load_plain_views, plain_views
from commands.plan import picked_plans
from commands.progress import Progress
from commands.table import show_table
from pipelines.batch.lake import DAY, LakeError, days_of, micros
from pipelines.batch.materialize import stage_newest, store_rows
from pipelines.plan import ViewPlan
from stores.cells.layout import ViewLayout, layouts_of
from stores.online import OnlineStore, ViewWriter, online_opener
from workspace.one_at_a_time import one_at_a_time
from workspace.spark_session import SparkOnDemand
from workspace.workspace import Workspace, open_store, read_declarations

if TYPE_CHECKING:
    from feast import FeatureStore
    from pyspark.sql import SparkSession

AT_ONCE = 3  # views that Spark works on together: small jobs leave its cores idle


@dataclass(frozen=True, slots=True)
class Materialized:
    """Rows of one view that went into the online store."""

    view: str
    rows: int


def materialize(
    spark: Callable[[], SparkSession],
    workspace: Workspace,
    store: FeatureStore,
    plans: Sequence[ViewPlan],
    until: int,
    progress: Progress | None = None,
) -> list[Materialized]:
    """Write the newest rows with `event_timestamp < until` (microseconds) of all views, or, if a gate fails, of none.

    Nothing is told without a `progress`. Spark is only asked for when a view has more than few rows.

    Raises:
        ValidationFailed: A view's rows break an expectation; the online store is as it was.
        OnlineStoreUnavailable: The online store does not answer.
        HeldError: Another process materializes one of them.
    """
    layouts = layouts_of(store, [plan.view for plan in plans])
    opener = online_opener(store.config)
    if plans:
        opener()  # the store must answer before Spark works for it
    # A batch view's row of the instant itself is already due: it is made of events before it.
    ends = {plan.view: until + (plan.kind == "batch") for plan in plans}
    told = progress or Progress(len(plans), io.StringIO())
    with staging_of(workspace, plans) as staging, told.watching(str), ThreadPoolExecutor(AT_ONCE) as pool:
        told.now("newest rows")
        staged = [pool.submit(stage_newest, spark, plan, ends[plan.view], staging) for plan in plans]
        folders = {}
        for number, (plan, folder) in enumerate(zip(plans, staged, strict=True)):
            folders[plan.view] = folder.result()
            told.now(f"gate of {plan.view}, {number} of {len(plans)} gates passed")
            feature_gate(workspace, plan, folders[plan.view])
        told.now("into the online store")
        stored = [
            pool.submit(store_rows, spark, folders[plan.view], partial(_open_writer, opener, layouts[plan.view]))
            for plan in plans
        ]
        done = []
        for plan, rows in zip(plans, stored, strict=True):
            done.append(Materialized(plan.view, rows.result()))
            told.finish(plan.view, done[-1].rows)
        return done


@contextmanager
def staging_of(workspace: Workspace, plans: Sequence[ViewPlan]) -> Iterator[Path]:
    """Hold views while they are materialized, and give the folder of their staged rows; these are gone afterwards.

    Raises:
        HeldError: Another process materializes one of them.
    """
    staging = workspace.data / "staging"
    with ExitStack() as held:
        for plan in sorted(plans, key=lambda one: one.view):
            lock = staging / f".{plan.view}.materializing"
            held.enter_context(one_at_a_time(lock, f"{plan.view} is being materialized"))
            held.callback(shutil.rmtree, staging / plan.view, ignore_errors=True)
        yield staging


def _open_writer(opener: Callable[[], OnlineStore], layout: ViewLayout) -> ViewWriter:
    return opener().writer(layout)


def main() -> None:
    """Materialize all before the end of the day UNTIL; without it, all that the feature logs hold. VIEWS= picks some.

    Plain feature views over tables that somebody else fills are loaded as well.
    """
    workspace = Workspace.from_env()
    plans = picked_plans(workspace)
    until = os.environ.get("UNTIL")
    days = sorted(day for plan in plans for day in days_of(plan.log))
    if plans and not days:
        raise LakeError(f"no feature logs in {workspace.data / 'log'}; run `make backfill` first.")
    store = open_store(workspace)
    done: list[Materialized] = []
    if plans:
        spark = SparkOnDemand("materialize", workspace.data / "spark.log")
        end = micros(until or days[-1]) + DAY
        done = materialize(spark, workspace, store, plans, end, Progress(len(plans)))
        spark.stop()
    picked = os.environ.get("VIEWS", "").replace(",", " ").split()
    plain = [view for view in plain_views(read_declarations(workspace)) if not picked or view in picked]
    progress = Progress(len(plain))
    for view, rows in load_plain_views(workspace, store, plain, micros(until) + DAY if until else None):
        progress.finish(view, rows)
        done.append(Materialized(view, rows))
    show_table(("view", "rows"), [(one.view, f"{one.rows:,}") for one in done])
