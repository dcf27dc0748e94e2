"""Runs the ads domain in a process of its own, its stream killed on the way, and prints what came of it as JSON.

Usage: python run_stream.py DATA. The same functions as behind the commands; what is special here is how events arrive: out
of order, in part twice, some of them none, while the stream is killed with SIGKILL and started again.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import redis

from commands import parity
from commands.apply import apply
from commands.backfill import backfill
from commands.event_tables import event_sources
from commands.loop.events import event_times, open_simulation
from commands.loop.history import History, build_history
from commands.loop.home import open_home
from commands.loop.streaming import LiveStream, prepare_stream, start_stream
from commands.materialize import materialize
from commands.plan import read_plans
from pipelines.batch.backfill import run_backfill
from pipelines.batch.lake import DAY
from pipelines.stream.transport.open import open_publisher
from validation.consistency.parity import Captured, capture, compare, from_store
from workspace.spark_session import open_spark
from workspace.workspace import open_store

REPO = Path(__file__).parent / "feature_repo"
DAYS = 3
BAD = (b"not an event", b'{"click_id": "cx", "clicked_at": "2024-10-06T00:00:00Z"}')


def main(data: Path) -> dict[str, Any]:
    """Run everything once and return what the tests look at."""
    os.environ.update(SHARDS="2", PARTITIONS="3")
    with open_home(REPO, data) as (workspace, server):
        views = apply(workspace)
        plans, store = read_plans(workspace), open_store(workspace)
        sources = event_sources(plans, [])
        simulation = open_simulation(workspace.repo, sources, today=date(2024, 10, 6))
        history = build_history(sources, simulation.history(), 0, 2)
        history.land()
        batch = [plan for plan in plans if plan.kind == "batch"]
        spark = open_spark("ads", data / "spark.log")
        filled = {done.view: done.rows for done in backfill(spark, workspace, plans, history.start, history.cut)}
        stored = {one.view: one.rows for one in materialize(spark, workspace, store, plans, history.cut)}

        cut = history.cut
        dawn, noon, late = cut + DAY // 4, cut + DAY // 2 + 1_234_567, cut + DAY - 1
        publisher = open_publisher(server.url, 3)
        os.environ["EPOCH_SECONDS"] = "60"
        stream = start_stream(prepare_stream(workspace), workspace, store, plans)
        publish(publisher, history, cut, dawn, server.port, BAD)
        stream.wait_until(dawn)
        kill(stream)  # its rows are in Redis, of its state nothing is saved
        os.environ["EPOCH_SECONDS"] = "0.2"
        stream = start_stream(prepare_stream(workspace), workspace, store, plans)
        stream.wait_until(dawn)
        publish(publisher, history, dawn, noon, server.port)
        kill(stream)  # with events on their way
        stream = start_stream(prepare_stream(workspace), workspace, store, plans)
        stream.wait_until(noon)
        publish(publisher, history, noon, late, server.port)
        clicks = history.sources["clicks"]
        publisher.publish(clicks.table, history.known_between("clicks", late - DAY // 48, late))  # twice
        publisher.tick("clicks", late)
        stream.wait_until(late)
        for plan in batch:  # the batch job of the last hop
            list(run_backfill(spark, [plan], cut, late + 1))
        materialize(spark, workspace, store, batch, late)
        captured = [look(store, plan, history, late) for plan in plans]
        ids = set(history.known_between("clicks", history.start, late)["click_id"].to_pylist())
        wait(lambda: landed_ids(Path(clicks.table.lake)) == ids, "not all events landed in the lake, or others")
        ahead = simulation.day(DAYS)["clicks"]  # tomorrow's, of one ad: its partition alone goes on
        publisher.publish(clicks.table, ahead.filter(pc.equal(ahead["ad_id"], "ad 1")))
        progress = stream.online.progress(stream.project)
        wait(lambda: (progress.read().views["ad_traffic"].furthest or 0) > late + DAY // 4, "no shard went on")
        stream.process.terminate()
        stream.process.wait()
        streamed = [plan for plan in plans if plan.kind == "stream"]
        list(run_backfill(spark, streamed, cut, cut + DAY))
        found = compare(captured, from_store(store))
        checked = check(workspace.data, server.port)  # and ends Spark
        log = (workspace.data / "dead_letters").glob("*.jsonl")
        dead = [json.loads(line)["reason"] for file in log for line in file.read_text().splitlines()]
    return {
        "views": views,
        "filled": filled,
        "stored": stored,
        "dead": sorted(set(dead)),
        "checked": checked,
        "agreement": {n: [a.compared, a.present, a.equal, list(map(str, a.examples))] for n, a in found.items()},
    }


def check(data: Path, port: int) -> dict[str, Any]:
    """Run `make parity` where the stream has ended at different times; return its exit code, what it said, and what had changed then."""
    before = contents(data, port)
    with contextlib.redirect_stdout(io.StringIO()) as told:
        code = parity.main()
    after = contents(data, port)
    changed = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
    return {"code": code, "told": told.getvalue(), "changed": changed}


def contents(data: Path, port: int) -> dict[str, Any]:
    """Return what must stay: the files of logs and lake by their time and size, and the rows in Redis by their bytes."""
    files = [file for folder in ("log", "lake", "state") for file in (data / folder).rglob("*") if file.is_file()]
    held: dict[str, Any] = {
        str(file.relative_to(data)): (file.stat().st_mtime_ns, file.stat().st_size) for file in files
    }
    with redis.Redis(port=port) as client:
        keys = [key for key in client.scan_iter() if not key.startswith((b"events:", b"millrace:"))]
        return held | {repr(key): repr(sorted(client.hgetall(key).items())) for key in keys}


def wait(true: Callable[[], bool], otherwise: str) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + 120
    while not true():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.05)


def publish(publisher: Any, history: History, start: int, stop: int, port: int, also: Sequence[bytes] = ()) -> None:
    """Publish the events of a span, in an order that is up to 20 minutes wrong, then the time."""
    clicks = history.sources["clicks"]
    part = history.known_between("clicks", start, stop)
    moved = event_times(part, clicks) + np.random.default_rng(start % 2**32).integers(0, 20 * 60_000_000, len(part))
    publisher.publish(clicks.table, part.take(pa.array(np.argsort(moved, kind="stable"))))
    with redis.Redis(port=port) as client:
        for payload in also:
            client.xadd("events:clicks:1", {"event": payload})
    publisher.tick("clicks", stop)


def kill(stream: LiveStream) -> None:
    """End the stream without a chance to save anything."""
    stream.process.send_signal(signal.SIGKILL)
    stream.process.wait()


def look(store: Any, plan: Any, history: History, t: int) -> Captured:
    """Note what Redis says of every entity, and of one that never was."""
    entities = history.events["clicks"].select(list(plan.keys)).to_pandas().drop_duplicates(ignore_index=True)
    unseen = pd.DataFrame({key: ["nobody"] for key in plan.keys})
    asked = pd.concat([entities, unseen], ignore_index=True)
    return capture(store, plan.view, [feature.name for feature in plan.features], asked, t)


def landed_ids(lake: Path) -> set[str]:
    """Return the ids of all events in the lake."""
    files = lake.glob("date=*/[!.]*.parquet")
    return {one for file in files for one in pq.read_table(file, columns=["click_id"])[0].to_pylist()}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
