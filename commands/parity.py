"""Holds the rows in the online store against what Spark computes of the same events. `make parity`. Changes nothing."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from commands.plan import read_plans
from commands.table import show_table
from pipelines.batch.backfill import run_backfill
from pipelines.batch.lake import DAY, days_of, micros
from pipelines.plan import ViewPlan
from stores.cells.layout import layouts_of
from stores.online import OnlineStore, open_online
from validation.consistency.parity import AT, Agreement, Captured, compare, sample_entities, summarize
from workspace.spark_session import open_spark
from workspace.workspace import Workspace, open_store

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from stores.cells.layout import ViewLayout


class NoStreamError(ValueError):
    """No stream has written to this online store."""


def show_agreement(found: Mapping[str, Agreement]) -> None:
    """Print how far each feature agrees, and some of what does not."""
    rows = [
        (name, f"{one.compared:,}", f"{one.present:,}", f"{100 * one.equal / max(one.compared, 1):.2f} %")
        for name, one in found.items()
    ]
    show_table(("feature", "compared", "with a value", "equal"), rows)
    for name, one in found.items():
        for example in one.examples:
            print(f"  {name}: {' '.join(map(str, example[:-2]))}: online {example[-2]}, offline {example[-1]}")


def main() -> int:
    """Compare some entities' online rows, each at the time from which it holds; return 1 if a value differs.

    The stream may go on meanwhile. Only rows of times up to which every shard is complete are compared; the others, and
    entities that the online store does not know, are counted. Logs that are not up to date are brought so in a scratch
    folder, which is removed.
    """
    workspace = Workspace.from_env()
    plans = [plan for plan in read_plans(workspace) if plan.kind == "stream"]
    store = open_store(workspace)
    online = open_online(store.config)
    progress = online.progress(store.config.project)
    captured, unknown = [], 0
    for view, layout in layouts_of(store, [plan.view for plan in plans]).items():
        plan = next(one for one in plans if one.view == view)
        rows, absent = _online_rows(
            online, layout, sample_entities(Path(plan.log), plan.keys, np.random.default_rng(7))
        )
        captured.append(rows)
        unknown += absent
    complete = progress.read().complete
    if complete is None:
        raise NoStreamError("no stream has come to an end of its first step here; run `make stream`, then ask again.")
    shown = [replace(one, frame=one.frame[_micros(one.frame) <= complete].reset_index(drop=True)) for one in captured]
    later = sum(len(one.frame) for one in captured) - sum(len(one.frame) for one in shown)
    with tempfile.TemporaryDirectory(prefix="millrace-parity-") as scratch:
        spark = open_spark("parity", workspace.data / "spark.log")
        logs = {plan.view: scratch_log(spark, plan, Path(scratch), complete) for plan in plans}
        spark.stop()
        found = compare(shown, _from_logs(plans, logs))
    show_agreement(found)
    compared, equal = summarize(found)
    print(f"{equal:,} of {compared:,} values agree")
    if later or unknown:
        print(f"left out: {later:,} rows later than the stream is complete, {unknown:,} entities that are not online")
    return 0 if equal == compared else 1


def scratch_log(spark: SparkSession, plan: ViewPlan, scratch: Path, complete: int) -> Path:
    """Return a folder with the view's log up to `complete` (microseconds): its own days but the last, and those computed anew."""
    folder = scratch / plan.view
    folder.mkdir(parents=True)
    days = days_of(plan.log)
    start = min(micros(days[-1]), complete - complete % DAY) if days else complete - complete % DAY
    for day in days:
        if micros(day) < start:
            (folder / f"date={day}").symlink_to(Path(plan.log) / f"date={day}")
    for _ in run_backfill(spark, [replace(plan, log=str(folder))], start, complete + 1):
        pass
    return folder


def _from_logs(
    plans: Sequence[ViewPlan], logs: Mapping[str, Path]
) -> Callable[[str, list[str], pd.DataFrame], pd.DataFrame]:
    """Return the point-in-time join on scratch logs, in the form that `compare` asks."""
    from stores.parquet.asof_join import asof_join
    from stores.parquet.asof_sql import LogColumns
    from stores.parquet.duckdb_connection import open_duckdb
    from stores.parquet.feature_log import FeatureLog
    from stores.parquet.labels import read_labels

    by_view = {plan.view: plan for plan in plans}

    def ask(view: str, features: list[str], asked: pd.DataFrame) -> pd.DataFrame:
        plan = by_view[view]
        columns = LogColumns(
            log=FeatureLog(view, logs[view]),
            join_keys=tuple((key, key) for key in plan.keys),
            features=tuple((name, name) for name in features),
            timestamp=AT,
            ttl_us=plan.ttl,
        )
        with open_duckdb() as connection:
            joined = asof_join(connection, read_labels(asked, plan.keys).keyed_by(plan.keys), columns)
        return joined.to_pandas()

    return ask


def _online_rows(online: OnlineStore, layout: ViewLayout, entities: pd.DataFrame) -> tuple[Captured, int]:
    """Read the rows of some entities; return them, and how many the store does not know."""
    found = online.reader([layout]).read({key: entities[key].tolist() for key in entities.columns}).views[layout.name]
    frame = entities.assign(**{name: column.arrow().to_pylist() for name, column in found.columns.items()})
    known = found.event_timestamp_us > 0
    frame[AT] = pd.to_datetime(np.where(known, found.event_timestamp_us, 0), unit="us", utc=True)
    return Captured(layout.name, tuple(entities.columns), frame[known].reset_index(drop=True)), int((~known).sum())


def _micros(frame: pd.DataFrame) -> pd.Series[int]:
    return frame[AT].astype("datetime64[us, UTC]").astype("int64")
