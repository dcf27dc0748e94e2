"""Measures the online store against Feast's own Redis store, in one run on one Redis server.

    python -m benchmarks.online_store --rows 20000 --runs 5

Writes: rows of 8 features (4 DOUBLE, 4 INT64) of distinct entities, over rows that are there already. Reads: batches of 64
requests for two entities each, 16 features in two views, of random entities. Medians over the runs, peers in turn; only the
ratios count. Each peer gets its rows in the form it takes: protobuf messages for Feast, an Arrow table for the bulk writer.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.types import Float64, Int64, String
from feast.utils import _convert_arrow_to_proto

from stores.cells.layout import layout_of
from stores.online import open_online
from stores.redis.connection import connect
from stores.redis.reader import OnlineReader
from stores.redis.writer import OnlineWriter
from workspace.redis_server import start_redis

REQUESTS = 64
START = datetime(2026, 3, 1, tzinfo=UTC)
PEER, PLUGIN = "redis", "stores.redis_online.MillraceRedisOnlineStore"


def build_store(folder: Path, connection_string: str, kind: str) -> FeatureStore:
    """Open a store in a folder with one of the two online stores."""
    config = RepoConfig(
        project="bench",
        provider="local",
        registry=str(folder / "registry.db"),
        repo_path=folder,
        online_store={"type": kind, "connection_string": connection_string},
        offline_store={"type": "stores.asof_offline.AsofOfflineStore"},
        entity_key_serialization_version=3,
    )
    return FeatureStore(config=config)


def declare(folder: Path) -> list[Any]:
    """Two views of 8 features: one with a text key, one with an integer key."""
    kinds = {"customer": (String, ValueType.STRING), "terminal": (Int64, ValueType.INT64)}
    declared: list[Any] = []
    for name, (dtype, value_type) in kinds.items():
        entity = Entity(name=name, join_keys=[f"{name}_id"], value_type=value_type)
        features = [Field(name=f"{name}_{i}", dtype=Float64 if i % 2 else Int64) for i in range(8)]
        source = FileSource(name=f"{name}_log", path=str(folder / name), timestamp_field="event_timestamp")
        schema = [Field(name=f"{name}_id", dtype=dtype), *features]
        view = FeatureView(name=name, entities=[entity], ttl=timedelta(days=3650), schema=schema, source=source)
        declared += [entity, view]
    return declared


def build_table(view: FeatureView, rows: int, when: datetime) -> pa.Table:
    """Random rows of a view, one per entity, all at one time."""
    random = np.random.default_rng(rows)
    key = view.entity_columns[0]
    columns: dict[str, Any] = {key.name: keys_of(key.name, np.arange(rows))}
    for feature in view.features:
        columns[feature.name] = random.normal(size=rows) if feature.dtype == Float64 else random.integers(0, 500, rows)
    columns["event_timestamp"] = pa.array([when] * rows, pa.timestamp("us", tz="UTC"))
    return pa.table(columns)


def keys_of(name: str, numbers: Any) -> list[Any]:
    """The join key values of numbered entities."""
    return [f"C{number:010d}" for number in numbers] if name == "customer_id" else numbers.tolist()


@dataclass(slots=True)
class Cost:
    """What the calls of one peer took: seconds, and seconds of CPU in this process and in Redis together."""

    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


def measure(address: str, calls: dict[str, list[Callable[[], Any]]]) -> dict[str, Cost]:
    """Run the calls; the peers take turns, so that a busy moment meets all of them."""
    client: Any = connect(address)
    costs = {name: Cost() for name in calls}
    for turn in zip(*calls.values(), strict=True):
        for cost, call in zip(costs.values(), turn, strict=True):
            cpu, started = cpu_seconds(client), time.perf_counter()
            call()
            cost.seconds.append(time.perf_counter() - started)
            cost.cpu.append(cpu_seconds(client) - cpu)
    return costs


def cpu_seconds(client: Any) -> float:
    """Return the CPU time this process and Redis have used so far."""
    redis = client.info("cpu")
    return time.process_time() + float(redis["used_cpu_user"]) + float(redis["used_cpu_sys"])


def report(title: str, count: int, unit: str, costs: dict[str, Cost]) -> None:
    """Print medians and their ratio to the first peer; on a busy machine look at the ratio of CPU time as well."""
    print(f"\n{title}\n{'':32}{unit + '/s':>14}{'ratio':>9}{'CPU ratio':>11}")
    first = next(iter(costs.values()))
    for name, cost in costs.items():
        seconds, cpu = statistics.median(cost.seconds), statistics.median(cost.cpu)
        ratio, less = statistics.median(first.seconds) / seconds, statistics.median(first.cpu) / cpu
        print(f"{name:32}{count / seconds:>14,.0f}{ratio:>8.1f}x{less:>10.1f}x")


def measure_writes(stores: dict[str, FeatureStore], address: str, rows: int, runs: int) -> dict[str, Cost]:
    """Write ever newer rows of the same entities with each peer."""
    views = {kind: store.get_feature_view("customer") for kind, store in stores.items()}
    writer = OnlineWriter(connect(address), layout_of(views[PLUGIN], stores[PLUGIN].config))
    join_keys = {"customer_id": ValueType.STRING}
    calls: dict[str, list[Callable[[], Any]]] = {"Feast online_write_batch": [], "plug-in online_write_batch": []}
    calls["bulk writer, Arrow table"] = []
    for run in range(runs):
        when = START + timedelta(minutes=3 * run)
        for offset, (name, kind) in enumerate(zip(calls, (PEER, PLUGIN, None), strict=True)):
            table = build_table(views[PLUGIN], rows, when + timedelta(minutes=offset))
            if kind is None:
                calls[name].append(partial(writer.write, table, "event_timestamp"))
                continue
            store, view = stores[kind], views[kind]
            data = _convert_arrow_to_proto(table, view, join_keys)
            online = store._get_provider().online_store
            calls[name].append(partial(online.online_write_batch, store.config, view, data, None))
    return measure(address, calls)


def measure_reads(stores: dict[str, FeatureStore], address: str, rows: int, batches: int) -> dict[str, Cost]:
    """Read batches of 64 requests with each peer."""
    views = [stores[PLUGIN].get_feature_view(name) for name in ("customer", "terminal")]
    references = [f"{view.name}:{feature.name}" for view in views for feature in view.features]
    reader = OnlineReader(connect(address), [layout_of(view, stores[PLUGIN].config) for view in views])
    random = np.random.default_rng(7)
    as_of = int(START.timestamp() * 1e6)
    calls: dict[str, list[Callable[[], Any]]] = {"Feast get_online_features": [], "plug-in get_online_features": []}
    calls["columnar reader"] = []
    for _ in range(batches):
        asked = {key: keys_of(key, random.integers(0, rows, REQUESTS)) for key in ("customer_id", "terminal_id")}
        for name, kind in zip(calls, (PEER, PLUGIN), strict=False):
            calls[name].append(partial(stores[kind].get_online_features, references, asked))
        calls["columnar reader"].append(partial(reader.read, asked, as_of))
    return measure(address, calls)


def main() -> None:
    """Run both measurements and print their tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.online_store", description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000, help="entities per view (default 20,000)")
    parser.add_argument("--runs", type=int, default=5, help="writes per peer (default 5)")
    parser.add_argument("--batches", type=int, default=100, help="reads per peer (default 100)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, start_redis() as server:
        address = server.connection_string
        stores = {kind: build_store(Path(folder), address, kind) for kind in (PEER, PLUGIN)}
        declared = declare(Path(folder))
        for store in stores.values():
            store.apply(declared)
        for name in ("customer", "terminal"):
            view = stores[PLUGIN].get_feature_view(name)
            table = build_table(view, options.rows, START - timedelta(minutes=1))
            config = stores[PLUGIN].config
            open_online(config).writer(layout_of(view, config)).write(table, "event_timestamp")
        writes = measure_writes(stores, address, options.rows, options.runs)
        report(f"write {options.rows:,} rows of 8 features", options.rows, "rows", writes)
        reads = measure_reads(stores, address, options.rows, options.batches)
        report(f"read {REQUESTS} requests x 2 entities x 16 features", REQUESTS, "requests", reads)


if __name__ == "__main__":
    main()
