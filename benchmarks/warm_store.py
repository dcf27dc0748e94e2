"""Measures the DynamoDB store against Feast's own, in one run on one moto server in a process of its own.

    python -m benchmarks.warm_store --rows 1000 --runs 3

Writes and reads are those of `benchmarks.online_store`. Feast's write is unconditional, 25 items a request; ours asks for each item
whether a newer one is there, which no batch can. moto answers one request at a time in Python: its rates say nothing of DynamoDB's.
The CPU of this process does say what a client spends, and the requests what DynamoDB's distance costs.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from feast import FeatureStore, RepoConfig, ValueType
from feast.utils import _convert_arrow_to_proto

from benchmarks.online_store import REQUESTS, START, Cost, build_table, declare, keys_of, report
from stores.cells.layout import layout_of
from stores.online import OnlineStoreUnavailable, open_online
from workspace.ports import free_port

PEER, PLUGIN = "dynamodb", "stores.dynamo_online.MillraceDynamoOnlineStore"


@contextmanager
def start_moto() -> Iterator[str]:
    """Start a server; yield its address."""
    port = free_port("127.0.0.1")
    command = [sys.executable, "-c", "from moto.server import main; main()", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def build_store(folder: Path, url: str, kind: str) -> FeatureStore:
    """Open a store with one of the two online stores, each with tables of its own."""
    config = RepoConfig(
        project="bench",
        provider="local",
        registry=str(folder / f"{kind}.db"),
        repo_path=folder,
        online_store={
            "type": kind,
            "region": "us-east-1",
            "endpoint_url": url,
            "table_name_template": f"{kind}.{{table_name}}",
        },
        offline_store={"type": "stores.asof_offline.AsofOfflineStore"},
        entity_key_serialization_version=3,
    )
    return FeatureStore(config=config)


def measure(calls: dict[str, list[Callable[[], Any]]]) -> dict[str, Cost]:
    """Run the calls, the peers in turn."""
    costs = {name: Cost() for name in calls}
    for turn in zip(*calls.values(), strict=True):
        for cost, call in zip(costs.values(), turn, strict=True):
            cpu, started = time.process_time(), time.perf_counter()
            call()
            cost.seconds.append(time.perf_counter() - started)
            cost.cpu.append(time.process_time() - cpu)
    return costs


def measure_writes(stores: dict[str, FeatureStore], rows: int, runs: int) -> dict[str, Cost]:
    """Write ever newer rows of the same entities with each peer."""
    views = {kind: store.get_feature_view("customer") for kind, store in stores.items()}
    config = stores[PLUGIN].config
    writer = open_online(config).writer(layout_of(views[PLUGIN], config))
    calls: dict[str, list[Callable[[], Any]]] = {"Feast online_write_batch": [], "plug-in online_write_batch": []}
    calls["bulk writer, Arrow table"] = []
    for run in range(runs):
        for offset, (name, kind) in enumerate(zip(calls, (PEER, PLUGIN, None), strict=True)):
            table = build_table(views[PLUGIN], rows, START + timedelta(minutes=3 * run + offset))
            if kind is None:
                calls[name].append(partial(writer.write, table, "event_timestamp"))
                continue
            store, view = stores[kind], views[kind]
            data = _convert_arrow_to_proto(table, view, {"customer_id": ValueType.STRING})
            online = store._get_provider().online_store
            calls[name].append(partial(online.online_write_batch, store.config, view, data, None))
    return measure(calls)


def measure_reads(stores: dict[str, FeatureStore], rows: int, batches: int) -> dict[str, Cost]:
    """Read batches of requests with each peer."""
    views = [stores[PLUGIN].get_feature_view(name) for name in ("customer", "terminal")]
    references = [f"{view.name}:{feature.name}" for view in views for feature in view.features]
    config = stores[PLUGIN].config
    reader = open_online(config).reader([layout_of(view, config) for view in views])
    random = np.random.default_rng(7)
    calls: dict[str, list[Callable[[], Any]]] = {"Feast get_online_features": [], "plug-in get_online_features": []}
    calls["columnar reader"] = []
    for _ in range(batches):
        asked = {key: keys_of(key, random.integers(0, rows, REQUESTS)) for key in ("customer_id", "terminal_id")}
        for name, kind in zip(calls, (PEER, PLUGIN), strict=False):
            calls[name].append(partial(stores[kind].get_online_features, references, asked))
        calls["columnar reader"].append(partial(reader.read, asked, int(START.timestamp() * 1e6)))
    return measure(calls)


def import_peer() -> None:
    """Make Feast's store importable: its asynchronous half, which is not measured, wants a client of another botocore."""
    client = {name: ModuleType(name) for name in ("aiobotocore", "aiobotocore.config", "aiobotocore.session")}
    vars(client["aiobotocore.config"])["AioConfig"] = None
    vars(client["aiobotocore"])["session"] = client["aiobotocore.session"]
    sys.modules.update(client)


def main() -> None:
    """Run both measurements and print their tables; the CPU is that of this process."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.warm_store", description=__doc__)
    parser.add_argument("--rows", type=int, default=1000, help="entities per view (default 1,000)")
    parser.add_argument("--runs", type=int, default=3, help="writes per peer (default 3)")
    parser.add_argument("--batches", type=int, default=30, help="reads per peer (default 30)")
    options = parser.parse_args()
    os.environ |= {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_EC2_METADATA_DISABLED": "true"}
    import_peer()
    with tempfile.TemporaryDirectory() as folder, start_moto() as url:
        stores = {kind: build_store(Path(folder), url, kind) for kind in (PEER, PLUGIN)}
        for _ in range(100):
            try:
                open_online(stores[PLUGIN].config, timeout_s=1.0)
                break
            except OnlineStoreUnavailable:
                time.sleep(0.2)
        for store in stores.values():
            store.apply(declare(Path(folder)))
            for name in ("customer", "terminal"):
                view = store.get_feature_view(name)
                config = store.config
                table = build_table(view, options.rows, START - timedelta(minutes=1))
                open_online(config).writer(layout_of(view, config)).write(table, "event_timestamp")
        writes = measure_writes(stores, options.rows, options.runs)
        report(f"write {options.rows:,} rows of 8 features", options.rows, "rows", writes)
        reads = measure_reads(stores, options.rows, options.batches)
        report(f"read {REQUESTS} requests x 2 entities x 16 features", REQUESTS, "requests", reads)


if __name__ == "__main__":
    main()
