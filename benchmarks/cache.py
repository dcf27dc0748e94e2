"""Measures reads of the online store with and without the cache, on a Zipf (1.1) and a uniform load, in one run.

    python -m benchmarks.cache --entities 100000 --seconds 5 --bound 200ms --mb 64

One view of 8 DOUBLE features and an integer key; one thread; Redis on the same machine. The two readers take turns, call by call.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from contract.durations import parse_duration
from stores.cache.reader import CachedReader
from stores.cells.layout import ViewLayout
from stores.online import OnlineStore, ViewReader
from stores.redis.store import RedisSettings, open_room
from workspace.redis_server import start_redis

T = 1_772_366_400_000_000  # 2026-03-01 12:00 UTC
VIEW = ViewLayout("bench", "view", (("entity", "INT64"),), tuple((f"f{i}", "DOUBLE") for i in range(8)), 86_400_000_000)


def draw_entities(load: str, entities: int, shape: tuple[int, int], seed: int) -> npt.NDArray[np.int64]:
    """Draw entity numbers, shape (calls, batch): of rank k with a probability as 1 / k ** 1.1, or all alike."""
    random = np.random.default_rng(seed)
    if load == "uniform":
        return random.integers(0, entities, shape)
    weights = np.cumsum(1 / np.arange(1, entities + 1) ** 1.1)
    return np.searchsorted(weights, random.random(shape) * weights[-1]).astype(np.int64)


def write_entities(store: OnlineStore, entities: int) -> None:
    """Write a row of each entity."""
    random = np.random.default_rng(1)
    columns = {name: random.normal(size=entities) for name in VIEW.feature_names}
    times = pa.array(np.full(entities, T), pa.timestamp("us", tz="UTC"))
    table = pa.table({"entity": np.arange(entities), **columns, "event_timestamp": times})
    store.writer(VIEW).write(table, "event_timestamp")


def measure(readers: dict[str, ViewReader], calls: npt.NDArray[np.int64], seconds: float) -> dict[str, list[float]]:
    """Return the seconds of each call of each reader; they take turns until the time is over."""
    took: dict[str, list[float]] = {name: [] for name in readers}
    until = time.perf_counter() + seconds * len(readers)
    for entities in calls:
        for name, reader in readers.items():
            started = time.perf_counter()
            reader.read({"entity": entities}, T)
            took[name].append(time.perf_counter() - started)
        if time.perf_counter() > until:
            break
    return took


def main() -> None:
    """Print rate, p50, p99 and hit rate of each load, batch and reader."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entities", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each reader and load")
    parser.add_argument("--bound", default="200ms", help="how old a cached value may be")
    parser.add_argument("--mb", type=float, default=64.0)
    options = parser.parse_args()
    cached_view = replace(VIEW, cache_us=parse_duration(options.bound))
    print(f"{options.entities:,} entities, bound {options.bound}, {options.mb:g} MB")
    print(
        f"{'load':9}{'batch':>6}  {'reader':8}{'reads/s':>10}{'rows/s':>11}{'p50 ms':>9}{'p99 ms':>9}{'hits':>7}{'MB':>7}"
    )
    with start_redis() as server:
        store = open_room(RedisSettings(server.connection_string, "redis", "", None))
        write_entities(store, options.entities)
        for load in ("zipf", "uniform"):
            for batch in (1, 100):
                cache = CachedReader(store.reader, [cached_view], int(options.mb * 1e6))
                calls = draw_entities(load, options.entities, (200_000 if batch == 1 else 20_000, batch), batch)
                took = measure({"without": store.reader([VIEW]), "with": cache}, calls, options.seconds)
                for name, seconds in took.items():
                    rate = len(seconds) / sum(seconds)
                    p50, p99 = np.quantile(seconds, [0.5, 0.99]) * 1000
                    stats = cache.stats()
                    held = f"{stats.hit_rate:>7.1%}{stats.bytes / 1e6:>7.1f}" if name == "with" else ""
                    print(
                        f"{load:9}{batch:>6}  {name:8}{rate:>10,.0f}{rate * batch:>11,.0f}{p50:>9.3f}{p99:>9.3f}{held}"
                    )


if __name__ == "__main__":
    main()
