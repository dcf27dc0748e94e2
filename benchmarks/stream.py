"""Streaming: events -> windowed features -> Redis, ours against Bytewax's own sliding `fold_window` on the same windows.

`python benchmarks/stream.py [--events 60000] [--runs 3]`. Both sides read the same events (two hours of them), compute count and sum of an
amount per key over one window of one hour, and write the newest values to Redis. Bytewax slides its window by the hour over
`--overlaps`; ours by the same slide. Each side runs in this process, one worker; medians of the runs.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import bytewax.operators as op
import numpy as np
import pyarrow as pa
import redis
from bytewax.dataflow import Dataflow
from bytewax.operators import windowing as win
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.testing import TestingSource, run_main

from contract.durations import HOUR
from pipelines.plan import EventTable, ViewPlan
from pipelines.semantics.aggregators.table import parse_function
from pipelines.semantics.feature import Feature
from pipelines.semantics.windows import Window
from pipelines.stream.dataflow import build_dataflow
from pipelines.stream.transport.codec import encode_events
from pipelines.stream.transport.redis_streams import Entries
from stores.cells.layout import ViewLayout
from stores.redis.store import RedisSettings, RedisStore
from stores.stream_writer import StreamWriter
from workspace.redis_server import start_redis

START = datetime(2026, 1, 1, tzinfo=UTC)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=60_000, help="spread over two hours")
    parser.add_argument("--keys", type=int, default=5_000)
    parser.add_argument("--overlaps", type=int, default=6, help="windows that an event is in, at the peer")
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    events = encode_events(make_events(given.events, given.keys))
    slide = HOUR // given.overlaps
    with start_redis() as server:
        client = redis.Redis(port=server.port)
        peer = median_rate(given.runs, lambda: peer_run(client, events, slide), len(events), client)
        ours = median_rate(given.runs, lambda: our_run(client, events, slide), len(events), client)
    print(f"{given.overlaps} overlapping windows, {given.keys:,} keys, one worker, median of {given.runs} runs")
    print(f"  bytewax fold_window  {peer:>10,.0f} events/s")
    print(f"  millrace             {ours:>10,.0f} events/s  ({ours / peer:.1f}x)")


def make_events(count: int, keys: int) -> pa.Table:
    """Return events of two hours in the order of time, over random keys."""
    random = np.random.default_rng(7)
    return pa.table(
        {
            "id": pa.array(np.arange(count)),
            "at": pa.array(
                int(START.timestamp()) * 1_000_000 + np.arange(count) * (2 * HOUR // count), pa.timestamp("us", "UTC")
            ),
            "key": pa.array(random.integers(0, keys, count)),
            "amount": pa.array(random.gamma(2.0, 30.0, count)),
        }
    )


def median_rate(runs: int, run: Callable[[], None], events: int, client: redis.Redis) -> float:
    """Return the median of events per second."""
    rates = []
    for _ in range(runs):
        client.flushall()
        began = time.perf_counter()
        run()
        rates.append(events / (time.perf_counter() - began))
    return statistics.median(rates)


def our_run(client: redis.Redis, events: list[bytes], slide: int) -> None:
    """Stream from JSON payloads through the shipped dataflow into Redis."""
    plan = ViewPlan("bench", "stream", ("key",), features(slide), table(), "unused")
    layout = ViewLayout("bench", "bench", (("key", "INT64"),), (("count", "INT64"), ("sum", "DOUBLE")))
    with tempfile.TemporaryDirectory() as folder:
        flow = build_dataflow(
            [plan],
            EndingBroker(events),
            lambda: StreamWriter(RedisStore(client, RedisSettings("", "redis", "", None)), "bench", {"bench": layout}),
            dead_letters=Path(folder),
            land=False,
        )
        run_main(flow)


class EndingBroker:
    """A broker of one partition that holds some payloads and then ends the dataflow."""

    def partitions(self, topic: str) -> int:
        """Return 1."""
        return 1

    def __init__(self, payloads: list[bytes]) -> None:
        """Hold the payloads."""
        self._payloads = payloads

    def read(self, topic: str, partition: int, offset: str, most: int) -> Entries:
        """Return the next payloads; at the end, stop the source."""
        start = int(offset)
        part = self._payloads[start : start + most]
        if not part:
            raise StopIteration
        return Entries(part, None, str(start + len(part)), len(part))


def features(slide: int) -> tuple[Feature, ...]:
    """Return count and sum over an hour."""
    window = Window(HOUR, slide)
    return tuple(Feature(name, parse_function(name)[0], "amount", window, None, name) for name in ("count", "sum"))


def table() -> EventTable:
    """Return the event table."""
    columns = (("id", "bigint"), ("at", "timestamp"), ("key", "bigint"), ("amount", "double"))
    return EventTable("bench", "unused", "at", "id", "bench", "key", columns, lateness=60_000_000)


def peer_run(client: redis.Redis, events: list[bytes], slide: int) -> None:
    """Stream the same through Bytewax's fold_window, newest window of each key into Redis in pipelines."""
    flow = Dataflow("peer")
    lines = op.input("in", flow, TestingSource(events, batch_size=10_000))
    parsed = op.map("parse", lines, json.loads)
    keyed = op.key_on("key", parsed, lambda event: str(event["key"]))
    clock = win.EventClock(
        ts_getter=lambda event: datetime.fromisoformat(event["at"]), wait_for_system_duration=timedelta(minutes=1)
    )
    windower = win.SlidingWindower(
        length=timedelta(hours=1), offset=timedelta(microseconds=slide), align_to=START - timedelta(days=1)
    )
    folded = win.fold_window(
        "fold",
        keyed,
        clock,
        windower,
        builder=lambda: (0, 0.0),
        folder=lambda state, event: (state[0] + 1, state[1] + event["amount"]),
        merger=lambda a, b: (a[0] + b[0], a[1] + b[1]),
    )
    op.output("out", folded.down, PeerSink(client))
    run_main(flow)


class PeerSink(DynamicSink):
    """Writes each closed window's values to a hash of its key."""

    def __init__(self, client: redis.Redis) -> None:
        """Note the client."""
        self._client = client

    def build(self, step_id: str, worker_index: int, worker_count: int) -> PeerPartition:
        """Open the partition."""
        return PeerPartition(self._client)


class PeerPartition(StatelessSinkPartition):
    """One worker's part."""

    def __init__(self, client: redis.Redis) -> None:
        """Note the client."""
        self._client = client

    def write_batch(self, items: list[Any]) -> None:
        """Write with one pipeline a batch."""
        pipe = self._client.pipeline(transaction=False)
        for key, (_, (count, total)) in items:
            pipe.hset(f"peer:{key}", mapping={"count": count, "sum": total})
        pipe.execute()


if __name__ == "__main__":
    main()
