"""Brings the newest row of every entity into Redis, behind a gate. `make materialize`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from commands.gates import feature_gate
from commands.online import table_writer, view_layouts
from commands.plan import picked_plans
from commands.table import show_table
from pipelines.batch.lake import DAY, LakeError, days_of, micros
from pipelines.batch.materialize import stage_newest, store_rows
from pipelines.batch.session import open_spark
from pipelines.plan import ViewPlan
from workspace.workspace import Workspace, open_store

if TYPE_CHECKING:
    from feast import FeatureStore
    from pyspark.sql import SparkSession


@dataclass(frozen=True, slots=True)
class Materialized:
    """Rows of one view that went into the online store."""

    view: str
    rows: int


def materialize(
    spark: SparkSession, workspace: Workspace, store: FeatureStore, plans: Sequence[ViewPlan], until: int
) -> list[Materialized]:
    """Write the newest rows with `event_timestamp < until` (microseconds) of all views, or, if a gate fails, of none.

    Raises:
        ValidationFailed: A view's rows break an expectation; the online store is as it was.
        OnlineStoreUnavailable: Redis does not answer.
    """
    layouts = view_layouts(store, [plan.view for plan in plans])
    writers = {plan.view: table_writer(store, layouts[plan.view]) for plan in plans}
    for open_writer in writers.values():
        open_writer()  # Redis must answer before Spark works for it
        break
    # A batch view's row of the instant itself is already due: it is made of events before it.
    ends = {plan.view: until + (plan.kind == "batch") for plan in plans}
    folders = {plan.view: stage_newest(spark, plan, ends[plan.view], workspace.data / "staging") for plan in plans}
    for plan in plans:
        feature_gate(workspace, plan, folders[plan.view])
    return [Materialized(plan.view, store_rows(spark, folders[plan.view], writers[plan.view])) for plan in plans]


def main() -> None:
    """Materialize all before the end of the day UNTIL; without it, all that the feature logs hold. VIEWS= picks some."""
    workspace = Workspace.from_env()
    plans = picked_plans(workspace)
    until = os.environ.get("UNTIL")
    days = sorted(day for plan in plans for day in days_of(plan.log))
    if not days:
        raise LakeError(f"no feature logs in {workspace.data / 'log'}; run `make backfill` first.")
    store = open_store(workspace)
    spark = open_spark("materialize")
    done = materialize(spark, workspace, store, plans, micros(until or days[-1]) + DAY)
    show_table(("view", "rows"), [(one.view, f"{one.rows:,}") for one in done])
    spark.stop()
