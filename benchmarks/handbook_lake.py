"""Lands the handbook's transactions in the lake of a workspace, and fills its feature logs, once.

The folder is kept: a later run finds the lake, and fills only the logs of views that have none yet.
"""

from __future__ import annotations

from pathlib import Path

from commands.apply import apply
from commands.backfill import backfill, days_to_fill
from commands.event_tables import event_sources
from commands.loop.events import load_events
from commands.loop.history import build_history
from commands.loop.services import labels_of, read_services
from commands.plan import read_plans
from workspace.spark_session import open_spark
from workspace.workspace import Workspace, open_store


def prepare_lake(events: Path, workspace: Workspace) -> None:
    """Apply the declarations, land the events that are not there yet, and backfill every view without a log."""
    workspace.data.mkdir(parents=True, exist_ok=True)
    apply(workspace)
    plans = read_plans(workspace)
    if not any(workspace.lake("fraud_labels").glob("date=*")):
        sources = event_sources(plans, labels_of(read_services(open_store(workspace))))
        build_history(sources, load_events(events.resolve(), workspace.repo, sources), 0, 1).land()
    empty = [plan for plan in plans if not any(workspace.log(plan.view).glob("date=*"))]
    if empty:
        spark = open_spark("model_quality", workspace.data / "spark.log")
        for done in backfill(spark, workspace, empty, *days_to_fill(empty, None, None)):
            print(f"  {done.view}: {done.events:,} events, {done.rows:,} rows, {done.seconds:.1f} s", flush=True)
        spark.stop()
