"""Measures how long one read of the online store takes, by features and rows: the table that Feast publishes for its servers.

    python -m benchmarks.online_latency [--calls 300] [--features 50 100 250] [--rows 1 10 50 100]

One view of so many DOUBLE features of 10,000 entities, one client, Redis on this machine; the peers take turns. Each gives its
answer in its own form: Feast's store and the plug-in Feast's response, the columnar reader columns. Milliseconds, p50 / p99.
"""

from __future__ import annotations

import argparse
import gc
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from feast import Entity, FeatureView, Field, FileSource, ValueType
from feast.types import Float64, Int64

from benchmarks.online_store import PEER, PLUGIN, START, build_store
from commands.table import show_table
from stores.cells.layout import layout_of
from stores.online import open_online
from stores.redis.connection import connect
from stores.redis.reader import OnlineReader
from workspace.redis_server import start_redis

ENTITIES = 10_000
HEAD = ("features", "rows", "Feast's store", "plug-in", "columnar reader")


def declare(features: int) -> list[Any]:
    """Declare one view of so many features, keyed by an integer."""
    entity = Entity(name="user", join_keys=["user_id"], value_type=ValueType.INT64)
    schema = [Field(name="user_id", dtype=Int64), *(Field(name=f"f_{i}", dtype=Float64) for i in range(features))]
    source = FileSource(name=f"log_{features}", path=f"/{features}", timestamp_field="event_timestamp")
    name = f"view_{features}"
    return [entity, FeatureView(name=name, entities=[entity], ttl=timedelta(days=3650), schema=schema, source=source)]


def build_table(features: int) -> pa.Table:
    """Make a row of random numbers for each entity."""
    random = np.random.default_rng(features)
    columns: dict[str, Any] = {"user_id": np.arange(ENTITIES)}
    columns |= {f"f_{i}": random.normal(size=ENTITIES) for i in range(features)}
    columns["event_timestamp"] = pa.array([START] * ENTITIES, pa.timestamp("us", tz="UTC"))
    return pa.table(columns)


def measure(peers: list[Callable[[dict[str, list[int]]], Any]], rows: int, calls: int) -> list[list[float]]:
    """Return the milliseconds of each call of each peer."""
    random = np.random.default_rng(rows)
    took: list[list[float]] = [[] for _ in peers]
    for call in range(calls + 10):
        asked = {"user_id": random.integers(0, ENTITIES, rows).tolist()}
        for peer, times in zip(peers, took, strict=True):
            started = time.perf_counter()
            peer(asked)
            if call >= 10:
                times.append(1000 * (time.perf_counter() - started))
    return took


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.online_latency", description=__doc__)
    parser.add_argument("--calls", type=int, default=300, help="calls of each peer and size (default 300)")
    parser.add_argument("--features", type=int, nargs="*", default=[50, 100, 250])
    parser.add_argument("--rows", type=int, nargs="*", default=[1, 10, 50, 100])
    options = parser.parse_args()
    table = []
    with tempfile.TemporaryDirectory() as folder, start_redis() as server:
        stores = {kind: build_store(Path(folder), server.connection_string, kind) for kind in (PEER, PLUGIN)}
        config = stores[PLUGIN].config
        for features in options.features:
            for store in stores.values():
                store.apply(declare(features))
            layout = layout_of(stores[PLUGIN].get_feature_view(f"view_{features}"), config)
            open_online(config).writer(layout).write(build_table(features), "event_timestamp")
            references = [f"view_{features}:f_{i}" for i in range(features)]
            reader = OnlineReader(connect(server.connection_string), [layout])
            peers: list[Callable[[dict[str, list[int]]], Any]] = [
                partial(stores[PEER].get_online_features, references),
                partial(stores[PLUGIN].get_online_features, references),
                partial(reader.read, as_of_us=int(START.timestamp() * 1e6)),
            ]
            gc.collect()
            for rows in options.rows:
                took = measure(peers, rows, options.calls)
                told = [f"{np.percentile(times, 50):.2f} / {np.percentile(times, 99):.2f}" for times in took]
                table.append((str(features), str(rows), *told))
    show_table(HEAD, table)


if __name__ == "__main__":
    main()
