"""Holds the rows in Redis against the feature logs, each at its own time. `make parity`."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from commands.online import connection, view_layouts
from commands.plan import read_plans
from commands.table import show_table
from pipelines.batch.backfill import run_backfill
from pipelines.batch.lake import DAY, days_of, micros
from pipelines.batch.session import open_spark
from stores.redis.connection import connect
from stores.redis.reader import OnlineReader
from stores.redis.stream_rows import read_frontier
from validation.parity import AT, Agreement, Captured, compare, summarize
from workspace.workspace import Workspace, open_store


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
    """Bring the feature logs up to the stream's frontier, compare, and return 1 if a value differs.

    The stream may go on meanwhile: each row is compared at the time from which it holds.
    """
    import numpy as np

    from commands.loop.streaming import sample_entities

    workspace = Workspace.from_env()
    plans = read_plans(workspace)
    store = open_store(workspace)
    address, kind, master = connection(store)
    client = connect(address, kind, sentinel_master=master)
    if not read_frontier(client, store.config.project):
        raise NoStreamError("no stream has written to this Redis; run `make stream`, then ask again.")
    captured = []
    for view, layout in view_layouts(store, [plan.view for plan in plans if plan.kind == "stream"]).items():
        entities = sample_entities(next(p for p in plans if p.view == view), np.random.default_rng(7))
        captured.append(_rows(OnlineReader(client, [layout]), view, entities))
    t = max(read_frontier(client, store.config.project).values())
    spark = open_spark("parity")
    for plan in plans:
        if plan.kind == "stream":
            days = days_of(plan.log)
            start = min(micros(days[-1]), t - t % DAY) if days else t - t % DAY
            for done in run_backfill(spark, [plan], start, t + 1):
                print(f"{done.view}: log brought up to the frontier, {done.rows:,} rows", flush=True)
    found = compare(store, captured)
    spark.stop()
    show_agreement(found)
    compared, equal = summarize(found)
    print(f"{equal:,} of {compared:,} values agree")
    return 0 if equal == compared else 1


def _rows(reader: OnlineReader, view: str, entities: pd.DataFrame) -> Captured:
    """Read the rows of some entities; those that Redis does not know are left out."""
    found = reader.read({key: entities[key].tolist() for key in entities.columns}).views[view]
    frame = entities.assign(**{feature: found.arrow(feature).to_pylist() for feature, _ in found.features})
    known = found.event_timestamp_us > 0
    frame[AT] = pd.to_datetime(found.event_timestamp_us, unit="us", utc=True)
    return Captured(view, tuple(entities.columns), frame[known].reset_index(drop=True))
