"""The whole stream on the shipped views: broker -> Bytewax -> online store, as `make stream` runs it, in processes of its own.

`python -m benchmarks.live [--repo feature_repo] [--events 1000000] [--rates 1000 5000] [--seconds 60]`. Broker and online store are two
redis-servers, the stream is one process with one worker. Throughput: all events are in the broker before the stream starts;
what counts is the time from its first progress to the last event stored. Freshness: events come at a steady rate, and some
of them are watched until the online store has the row they give, in every view that they enter at once.

The peer is `push_peer.py`: Feast's `push` of the same views' rows, already computed, from one process without a broker.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import redis

from benchmarks.engine import DAY, START, table
from benchmarks.push_peer import push_freshness, push_rate, push_store
from commands.apply import apply
from commands.loop.home import open_home
from commands.plan import read_plans
from pipelines.plan import ViewPlan
from pipelines.stream.transport.open import open_publisher
from stores.cells.entity_keys import EntityKeyEncoder
from stores.cells.layout import ViewLayout, layouts_of
from stores.online import open_online
from workspace.redis_server import start_redis
from workspace.workspace import BROKER, Workspace, open_store

PATIENCE = 300.0
WATCHED_A_SECOND = 10


@dataclass(frozen=True, slots=True)
class Bench:
    """A workspace whose stream can be started."""

    workspace: Workspace
    plans: list[ViewPlan]
    layouts: dict[str, ViewLayout]
    online: redis.Redis
    broker: str
    store: Any


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repo", type=Path, default=Path("feature_repo"))
    parser.add_argument("--events", type=int, default=1_000_000, help="to catch up with")
    parser.add_argument("--rates", type=int, nargs="*", default=[1000, 5000], help="events a second, for freshness")
    parser.add_argument("--seconds", type=float, default=60, help="of freshness, the first quarter left out")
    given = parser.parse_args()
    if given.events:
        with open_bench(given.repo.resolve()) as bench:
            rate = catch_up(bench, given.events)
        print(f"  catching up, {len(bench.plans)} stream views, one worker: {rate:>9,.0f} events/s", flush=True)
    for per_second in given.rates:
        with open_bench(given.repo.resolve()) as bench:
            took = freshness(bench, per_second, given.seconds)
        p50, p99 = np.percentile(took, [50, 99])
        print(
            f"  {per_second:>6,} events/s, broker to readable ({len(took)} watched):"
            f" p50 {p50:6.1f}  p99 {p99:6.1f}  most {max(took):6.1f} ms",
            flush=True,
        )
    with open_bench(given.repo.resolve()) as bench:
        show_peer(bench, given.rates, given.seconds)


def show_peer(bench: Bench, rates: Sequence[int], seconds: float) -> None:
    """Print what Feast's push does."""
    registry, project = bench.store.registry, bench.store.config.project
    with push_store(registry, project, [plan.view for plan in bench.plans]) as (store, pushes):
        rate = push_rate(store, pushes, 1_000, min(seconds, 20))
        print(f"  feast push, 1,000 events at a time, {len(pushes)} views: {rate:>9,.0f} events/s", flush=True)
    fresh = [plan.view for plan in watched_plans(bench)]
    for per_second in rates:
        with push_store(registry, project, fresh) as (store, pushes):
            took = push_freshness(store, pushes, per_second, min(seconds, 20))
        p50, p99 = np.percentile(took, [50, 99])
        print(
            f"  feast push at {per_second:>6,} events/s: p50 {p50:6.1f}  p99 {p99:6.1f}  most {max(took):6.1f} ms",
            flush=True,
        )


def watched_plans(bench: Bench) -> list[ViewPlan]:
    """Return the views that an event enters at once: those of the first topic whose events wait for nothing."""
    plan = next(plan for plan in bench.plans if not plan.features[0].window.delay)
    return [p for p in bench.plans if p.table.topic == plan.table.topic]


@contextmanager
def open_bench(repo: Path) -> Iterator[Bench]:
    """Register a repo in a folder of its own, with a broker and an online store."""
    with (
        tempfile.TemporaryDirectory() as folder,
        open_home(repo, Path(folder) / "data") as (workspace, online),
        start_redis() as broker,
    ):
        (workspace.data / BROKER).write_text(broker.url)
        os.environ["MILLRACE_BROKER"] = broker.url
        apply(workspace)
        plans = [plan for plan in read_plans(workspace) if plan.kind == "stream"]
        store = open_store(workspace)
        layouts = layouts_of(store, [plan.view for plan in plans])
        yield Bench(workspace, plans, layouts, redis.Redis.from_url(online.url), broker.url, store)


@contextmanager
def streaming(bench: Bench, clock: str) -> Iterator[None]:
    """Run `make stream` from nothing."""
    env = {**os.environ, **bench.workspace.environment(), "CLOCK": clock, "COLD": "1", "FRESH": "1"}
    log = (bench.workspace.data / "stream.log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", "commands", "stream"], env=env, stdout=log, stderr=subprocess.STDOUT
    )
    try:
        yield
        if process.poll() is not None:
            raise SystemExit((bench.workspace.data / "stream.log").read_text())
    finally:
        process.terminate()
        process.wait()
        log.close()


def catch_up(bench: Bench, count: int) -> float:
    """Return the events per second of all topics, of which each view gets those of its own."""
    random = np.random.default_rng(7)
    topics = {plan.table.topic: plan for plan in bench.plans}
    publisher = open_publisher(bench.broker)
    each = count // len(topics)
    customers, ts = random.integers(0, 5_000, each), START + np.arange(each) * (DAY // 9_600)
    for plan in topics.values():
        events = table(plan, customers, ts, random)
        for start in range(0, each, 20_000):
            publisher.publish(plan.table, events.slice(start, 20_000))
    progress = open_online(bench.store.config).progress(bench.store.config.project)
    expected = each * len(bench.plans)

    def seen() -> int:
        return sum(view.events for view in progress.read().views.values())

    with streaming(bench, "event"):
        deadline = time.monotonic() + PATIENCE
        while not (first := seen()):
            time.sleep(0.005)
        began = time.perf_counter()
        while seen() < expected:
            if time.monotonic() > deadline:
                raise SystemExit(f"{seen():,} of {expected:,}: " + (bench.workspace.data / "stream.log").read_text())
            time.sleep(0.01)
        took = time.perf_counter() - began
    return (1 - first / expected) * each * len(topics) / took


def freshness(bench: Bench, per_second: int, seconds: float) -> list[float]:
    """Return the milliseconds from the broker to the last view readable, of the events watched."""
    mine = watched_plans(bench)
    plan = mine[0]
    publisher, random = open_publisher(bench.broker), np.random.default_rng(7)
    took: list[float] = []
    with streaming(bench, "wall"):
        warm(bench, publisher, plan, mine, random)
        began, sent, watched = time.perf_counter(), 0, 0
        watchers: list[threading.Thread] = []
        while (now := time.perf_counter() - began) < seconds:
            due = int(now * per_second) - sent
            if due <= 0:
                time.sleep(0.002)
                continue
            micros = time.time_ns() // 1000
            events = table(plan, random.integers(0, 5_000, due), micros + np.arange(due) - due, random)
            ids = pa.array(np.arange(due) + 1_000_000 + sent)
            events = events.set_column(events.schema.get_field_index(plan.table.event_id), plan.table.event_id, ids)
            publisher.publish(plan.table, events)
            sent += due
            if now > seconds / 4 and now * WATCHED_A_SECOND > watched:
                watched = int(now * WATCHED_A_SECOND) + 1
                one = events.slice(due - 1)
                watcher = threading.Thread(target=watch, args=(bench, mine, one, time.perf_counter(), took))
                watcher.start()
                watchers.append(watcher)
        for watcher in watchers:
            watcher.join()
    return took


def warm(bench: Bench, publisher: Any, plan: ViewPlan, mine: list[ViewPlan], random: np.random.Generator) -> None:
    """Let the stream read its first events, of all entities."""
    micros = time.time_ns() // 1000
    events = table(plan, np.arange(20_000) % 5_000, micros + np.arange(20_000) - 20_000, random)
    publisher.publish(plan.table, events)
    watch(bench, mine, events.slice(19_999), time.perf_counter(), [])
    time.sleep(2)


def watch(bench: Bench, plans: list[ViewPlan], event: pa.Table, sent: float, took: list[float]) -> None:
    """Note how long it takes until every view has a row that an event went into."""
    at = int(event[plans[0].table.timestamp][0].value)
    wanted = [(row_key(bench.layouts[p.view], event), bench.layouts[p.view].timestamp_field) for p in plans]
    deadline = time.perf_counter() + PATIENCE
    while wanted:
        pipe = bench.online.pipeline(transaction=False)
        for key, field in wanted:
            pipe.hget(key, field)
        wanted = [one for one, cell in zip(wanted, pipe.execute(), strict=True) if cell is None or micros(cell) <= at]
        if time.perf_counter() > deadline:
            raise SystemExit("an event did not come: " + (bench.workspace.data / "stream.log").read_text())
        if wanted:
            time.sleep(0.001)
    took.append((time.perf_counter() - sent) * 1000)


def row_key(layout: ViewLayout, event: pa.Table) -> bytes:
    """Return the key of the event's entity."""
    encoder = EntityKeyEncoder(layout.project, layout.join_keys)
    return encoder.encode({name: event[name].to_pylist() for name, _ in layout.join_keys})[0]


def micros(cell: bytes) -> int:
    """Return a stored event time, microseconds."""
    from google.protobuf.timestamp_pb2 import Timestamp

    stamp = Timestamp.FromString(cell)
    return stamp.seconds * 1_000_000 + stamp.nanos // 1000


if __name__ == "__main__":
    main()
