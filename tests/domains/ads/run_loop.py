"""Runs the whole loop on the ads domain in its own process and prints what came of it as JSON.

Usage: python run_loop.py DATA. Apply, lake, backfill, materialize, stream (killed with SIGKILL on the way and started
again), parity: the same functions as behind the commands.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from commands.apply import apply
from commands.backfill import backfill
from commands.materialize import materialize
from commands.plan import read_plans
from pipelines.batch.backfill import run_backfill
from pipelines.batch.lake import DAY
from pipelines.batch.session import open_spark
from pipelines.plan import EventTable, ViewPlan
from pipelines.stream.sinks import land_events
from pipelines.stream.transport.redis_streams import RedisBroker, open_broker
from stores.redis.connection import connect
from stores.redis.stream_rows import read_frontier
from validation.parity import Captured, capture, compare
from workspace.redis_server import RedisServer, start_redis
from workspace.workspace import Workspace, open_store

REPO = Path(__file__).parent / "feature_repo"
FIRST = 20_000 * DAY  # 2024-10-04
CUT = FIRST + 2 * DAY
END = FIRST + 3 * DAY
PATIENCE = 120.0  # seconds
SHARDS = 2
YAML = """project: ads
provider: local
registry: {data}/registry.db
online_store: {{type: stores.redis_online.MillraceRedisOnlineStore, connection_string: "{redis}", clock: stream}}
offline_store: {{type: stores.asof_offline.AsofOfflineStore}}
entity_key_serialization_version: 3
"""


def simulate(schema: pa.Schema, count: int = 3_000) -> pa.Table:
    """Return three days of clicks by time: bursts, ties, hop edges, nulls."""
    random = np.random.default_rng(17)
    at = FIRST + np.sort(random.integers(0, 3 * DAY, count))
    at[::7] = at[::7] - at[::7] % (DAY // 288)  # on five minutes
    at[1::5] = at[::5][: len(at[1::5])]  # ties
    at = np.sort(at)
    dwell = random.integers(50, 5_000, count)
    columns = {
        "click_id": pa.array([f"c{number:05}" for number in random.permutation(count)]),
        "clicked_at": pa.array(at, pa.timestamp("us", "UTC")),
        "user_id": pa.array([f"u-{number}" for number in random.integers(0, 40, count)]),
        "ad_id": pa.array([f"ad {number}" for number in random.zipf(1.5, count).clip(max=25)]),
        "bid": pa.array(random.uniform(0.01, 3.0, count), mask=random.random(count) < 0.05),
        "slot": pa.array(random.integers(0, 4, count), pa.int32()),
        "dwell_ms": pa.array(dwell, mask=random.random(count) < 0.1),
        "on_phone": pa.array(random.random(count) < 0.5),
    }
    return pa.table(columns).select(schema.names).cast(schema)


def wait(ready: Callable[[], bool], process: subprocess.Popen[bytes], what: str) -> None:
    """Look again and again until something is so.

    Raises:
        RuntimeError: The process ended, or patience did.
    """
    deadline = time.monotonic() + PATIENCE
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{what}: stream ended with {process.poll()}")
        time.sleep(0.02)


class Loop:
    """The workspace, its stores and its stream process."""

    def __init__(self, data: Path, redis: RedisServer) -> None:
        """Apply the repo and land the history."""
        (data / "feature_store.yaml").write_text(YAML.format(data=data, redis=redis.connection_string))
        self.workspace = Workspace(REPO, data, data / "feature_store.yaml")
        os.environ.update(self.workspace.environment())
        self.views = apply(self.workspace)
        self.plans: list[ViewPlan] = read_plans(self.workspace)
        self.store = open_store(self.workspace)
        self.redis = connect(redis.connection_string)
        self.broker: RedisBroker = open_broker(redis.url)
        self.table: EventTable = next(plan.table for plan in self.plans if plan.table.topic)
        self.events = simulate(self.table.schema())
        self.captured: list[Captured] = []
        self.process: subprocess.Popen[bytes] | None = None
        land_events(self.between(FIRST, CUT), Path(self.table.lake), self.table.timestamp)

    def between(self, start: int, stop: int) -> pa.Table:
        """Return the events of a span."""
        at = pc.cast(self.events[self.table.timestamp], pa.int64()).to_numpy()
        return self.events.filter(pa.array((at >= start) & (at < stop)))

    def start_stream(self, epoch_seconds: float = 0.2) -> subprocess.Popen[bytes]:
        """Start `make stream` in event time."""
        env = os.environ | {
            "MILLRACE_BROKER": self.broker.url,
            "CLOCK": "event",
            "EPOCH_SECONDS": str(epoch_seconds),
            "SHARDS": str(SHARDS),
            "PYTHONWARNINGS": "ignore",
        }
        command = [sys.executable, "-c", "from commands.stream import main; main()"]
        self.process = subprocess.Popen(command, env=env, stdout=sys.stderr)
        return self.process

    def kill(self) -> None:
        """End the stream without a chance to save anything."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def publish(self, start: int, stop: int, also: Sequence[bytes] = ()) -> None:
        """Publish the events of a span, in an order that is up to 20 minutes wrong, then the time."""
        part = self.between(start, stop)
        at = pc.cast(part[self.table.timestamp], pa.int64()).to_numpy()
        moved = at + np.random.default_rng(start % 2**32).integers(0, 20 * 60_000_000, len(at))
        self.broker.publish(self.table, part.take(pa.array(np.argsort(moved, kind="stable"))))
        for payload in also:
            self.redis.xadd(f"events:{self.table.topic}:1", {"event": payload})
        self.broker.tick(self.table.topic or "", stop)

    def follow(self, t: int) -> None:
        """Wait until every shard of every stream view has come to `t`."""
        views = [f"{plan.view}/{shard}" for plan in self.plans if plan.kind == "stream" for shard in range(SHARDS)]

        def reached() -> bool:
            frontier = read_frontier(self.redis, "ads")
            return all(frontier.get(view, 0) >= t for view in views)

        assert self.process is not None
        wait(reached, self.process, f"frontier {t}")

    def capture(self, t: int) -> None:
        """Note what Redis says of every entity."""
        for plan in self.plans:
            entities = self.events.select(list(plan.keys)).to_pandas().drop_duplicates(ignore_index=True)
            unseen = pd.DataFrame({key: ["nobody"] for key in plan.keys})
            asked = pd.concat([entities, unseen], ignore_index=True)
            self.captured.append(capture(self.store, plan.view, [f.name for f in plan.features], asked, t))


def run(data: Path, redis: RedisServer) -> dict[str, Any]:
    """Run everything once and return what the tests look at."""
    loop = Loop(data, redis)
    spark = open_spark("ads")
    stream_views = [plan for plan in loop.plans if plan.kind == "stream"]
    batch_views = [plan for plan in loop.plans if plan.kind == "batch"]
    filled = {done.view: done.rows for done in backfill(spark, loop.workspace, loop.plans, FIRST, CUT)}
    stored = {one.view: one.rows for one in materialize(spark, loop.workspace, loop.store, loop.plans, CUT)}

    dawn, noon, late = CUT + DAY // 4, CUT + DAY // 2 + 1_234_567, CUT + DAY - 1
    process = loop.start_stream(epoch_seconds=60)
    loop.publish(CUT, dawn, also=[b"not an event", b'{"click_id": "cx", "clicked_at": "2024-10-06T00:00:00Z"}'])
    loop.follow(dawn)
    loop.kill()  # its rows are in Redis, of its state nothing is saved
    process = loop.start_stream()
    loop.follow(dawn)
    loop.publish(dawn, noon)
    loop.kill()  # with events on their way
    process = loop.start_stream()
    loop.follow(noon)
    loop.publish(noon, late)
    loop.broker.publish(loop.table, loop.between(late - DAY // 48, late))  # twice, and within the lateness
    loop.broker.tick(loop.table.topic or "", late)
    loop.follow(late)
    for plan in batch_views:  # the batch job of the last hop
        list(run_backfill(spark, [plan], CUT, late + 1))
    materialize(spark, loop.workspace, loop.store, batch_views, late)
    loop.capture(late)

    expected = set(loop.between(FIRST, late)["click_id"].to_pylist())
    wait(lambda: landed_ids(Path(loop.table.lake)) == expected, process, "all events land in the lake, and no other")
    process.terminate()
    process.wait()
    filled_again = {done.view: done.rows for done in run_backfill(spark, stream_views, CUT, END)}
    found = compare(loop.store, loop.captured)
    spark.stop()
    dead = [
        json.loads(line) for file in (data / "dead_letters").glob("*.jsonl") for line in file.read_text().splitlines()
    ]
    return {
        "views": loop.views,
        "filled": filled,
        "filled_again": filled_again,
        "stored": stored,
        "dead": sorted({event["reason"] for event in dead}),
        "agreement": {n: [a.compared, a.present, a.equal, list(map(str, a.examples))] for n, a in found.items()},
    }


def landed_ids(lake: Path) -> set[str]:
    """Return the ids of all events in the lake."""
    return {
        i
        for file in lake.glob("date=*/[!.]*.parquet")
        for i in pq.read_table(file, columns=["click_id"])[0].to_pylist()
    }


if __name__ == "__main__":
    with start_redis() as server:
        print(json.dumps(run(Path(sys.argv[1]), server)))
