"""Measures point-in-time training sets against Feast's own DuckDB and Dask stores, in one run on the same files.

    python -m benchmarks.training_set --labels 400000 --rows 400000

One view of 8 features with a ttl of 30 days; labels and feature rows of random entities over 60 days. The peers cannot do
400,000 labels in a sensible time: they get `--peer-labels`, and what is compared is the time per label. `--entities` decides
how long an entity's history is: the peers join each label with all of it.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.errors import FeastModuleImportError
from feast.types import Float64, Int64

START = datetime(2026, 1, 1, tzinfo=UTC)
SPAN_US = 60 * 86_400_000_000
FEATURES = [f"f{i}" for i in range(8)]
OURS = "stores.asof_offline.AsofOfflineStore"
PEERS = {"Feast DuckDB": "duckdb", "Feast Dask (file)": "dask"}


def build_store(folder: Path, kind: str) -> FeatureStore:
    """Open a store with one of the offline stores; all see the same file."""
    config = RepoConfig(
        project="bench",
        provider="local",
        registry=str(folder / f"{kind}.db"),
        repo_path=folder,
        online_store=None,
        offline_store={"type": kind},
        entity_key_serialization_version=3,
    )
    store = FeatureStore(config=config)
    user = Entity(name="user", join_keys=["user"], value_type=ValueType.INT64)
    source = FileSource(name="log", path=str(folder / "log.parquet"), timestamp_field="event_timestamp")
    schema = [Field(name="user", dtype=Int64), *(Field(name=name, dtype=Float64) for name in FEATURES)]
    store.apply([user, FeatureView(name="v", entities=[user], ttl=timedelta(days=30), schema=schema, source=source)])
    return store


def build_log(folder: Path, rows: int, entities: int) -> None:
    """Write the feature log, in no particular order, one row per entity and time."""
    random = np.random.default_rng(1)
    columns: dict[str, Any] = {"user": random.integers(0, entities, rows)}
    columns["event_timestamp"] = times(
        random.choice(SPAN_US, rows, replace=False) if rows < 1000 else random.integers(0, SPAN_US, rows)
    )
    columns |= {name: random.normal(size=rows) for name in FEATURES}
    pq.write_table(pa.table(columns), folder / "log.parquet")


def build_labels(labels: int, entities: int) -> pd.DataFrame:
    """Return labels of random entities at random times."""
    random = np.random.default_rng(2)
    when = times(random.integers(0, SPAN_US, labels)).to_pandas()
    return pd.DataFrame({"user": random.integers(0, entities, labels), "event_timestamp": when})


def times(offsets: Any) -> pa.Array:
    """Times by their microseconds after the start."""
    return pa.array(offsets + int(START.timestamp()) * 1_000_000, pa.timestamp("us", tz="UTC"))


def measure(store: FeatureStore, labels: pd.DataFrame, runs: int) -> tuple[float, pd.DataFrame]:
    """Median seconds to a data frame, and the data frame."""
    seconds = []
    references = [f"v:{name}" for name in FEATURES]
    for _ in range(runs):
        started = time.perf_counter()
        frame = store.get_historical_features(labels.copy(), references).to_df()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds), frame


def check(ours: pd.DataFrame, theirs: pd.DataFrame, name: str) -> None:
    """Stop if a peer finds other features for the labels it kept (Feast's Dask store drops some rows)."""
    keys = ["user", "event_timestamp"]
    both = theirs.dropna(subset=FEATURES).merge(ours, on=keys, suffixes=("", "_ours"))
    same = np.allclose(both["f0"], both["f0_ours"])
    if not same:
        raise SystemExit(f"{name}: other features than ours; the comparison means nothing")


def main() -> None:
    """Measure the ASOF store at several sizes and the peers at one, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training_set", description=__doc__)
    parser.add_argument("--labels", type=int, default=400_000)
    parser.add_argument("--rows", type=int, default=400_000, help="feature rows")
    parser.add_argument("--entities", type=int, default=2_000)
    parser.add_argument("--peer-labels", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        build_log(folder, options.rows, options.entities)
        labels = build_labels(options.labels, options.entities)
        store = build_store(folder, OURS)
        print(f"{options.rows:,} feature rows of {options.entities:,} entities, 8 features, ttl 30 days\n")
        print(f"{'':24}{'labels':>10}{'seconds':>10}{'us/label':>10}{'ours is':>10}")
        cost = 0.0
        for count in (options.labels // 4, options.labels // 2, options.labels):
            seconds, _ = measure(store, labels.iloc[:count], options.runs)
            cost = seconds / count
            print(f"{'ASOF':24}{count:>10,}{seconds:>10.2f}{cost * 1e6:>10.2f}")
        few = labels.iloc[: options.peer_labels]
        _, ours = measure(store, few, 1)
        for peer, kind in PEERS.items():
            try:
                peer_store = build_store(folder, kind)
            except FeastModuleImportError:
                print(f"{peer:24}not installed; add it with: uv pip install 'ibis-framework[duckdb]'")
                continue
            seconds, frame = measure(peer_store, few, 1)
            check(ours, frame, peer)
            theirs = seconds / len(few)
            print(f"{peer:24}{len(few):>10,}{seconds:>10.2f}{theirs * 1e6:>10.2f}{theirs / cost:>9.1f}x")


if __name__ == "__main__":
    main()
