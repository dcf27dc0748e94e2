"""What metrics, logs and traces cost a request, without a store and a model: the app answers a constant.

    python benchmarks/telemetry.py [--requests 20000] [--rounds 5]

Rounds are interleaved; the median of each and its distance to that without any telemetry are printed, and what it costs to count
a batch.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from serving.metrics.replica import ReplicaMetrics
from serving.protocols.answer import Answer
from serving.protocols.http import HttpApp
from serving.protocols.request import Request
from serving.protocols.router import OPEN, Route
from serving.scoring.decision import Decisions
from serving.scoring.features import FeatureBatch
from serving.scoring.scorer import Scored
from serving.telemetry.hooks import Telemetry
from serving.telemetry.json_lines import JsonLog
from serving.telemetry.traces import Traces
from stores.cells.reading import ViewReading

BODY = b'{"score": 0.25}'
VIEWS = 5


async def answer(request: Request) -> Answer:
    """Read the body and answer a constant."""
    await request.body(1000)
    return Answer(BODY)


def microseconds(app: HttpApp, requests: int) -> float:
    """Return what a request takes."""
    headers = [(b"host", b"a"), (b"content-type", b"application/json"), (b"content-length", b"2"), (b"accept", b"*/*")]
    scope = {"type": "http", "method": "POST", "path": "/v1/score", "query_string": b"", "headers": headers}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"{}"}

    async def send(_: object) -> None:
        return None

    async def run() -> float:
        began = time.process_time()
        for _ in range(requests):
            await app(dict(scope), receive, send)
        return (time.process_time() - began) / requests * 1e6

    return asyncio.run(run())


def batch_of(rows: int) -> Scored:
    """Return a scored batch as a service with five views gives it."""
    now = time.time_ns() // 1000
    as_of = np.full(rows, now)
    reading = ViewReading({}, as_of - 3_600_000_000, np.ones(rows, dtype=np.uint8))
    views = {f"view_{number}": reading for number in range(VIEWS)}
    features = FeatureBatch({}, {}, views, as_of, None, {}, np.zeros(rows), frozenset())
    scores = np.random.default_rng(1).random(rows).tolist()
    decisions = Decisions(["approve"] * rows, {})
    return Scored(scores, decisions, features, None, [""] * rows)  # type: ignore[arg-type]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        metrics = ReplicaMetrics(path / "metrics")
        told: dict[str, Telemetry] = {
            "nothing": Telemetry(),
            "metrics": Telemetry(metrics),
            "metrics and a line of JSON": Telemetry(metrics, JsonLog(path)),
            "metrics and a trace of one in a hundred": Telemetry(metrics, None, Traces(InMemorySpanExporter(), 0.01)),
            "metrics and a trace of each": Telemetry(metrics, None, Traces(InMemorySpanExporter(), 1.0)),
        }
        times: dict[str, list[float]] = {name: [] for name in told}
        for _ in range(options.rounds):
            for name, one in told.items():
                times[name].append(
                    microseconds(HttpApp([Route("POST", "/v1/score", answer, OPEN)], one), options.requests)
                )
                if one.log:
                    one.log.flush()
        medians = {name: statistics.median(some) for name, some in times.items()}
        print(f"{'told of a request':44}{'us a request':>14}{'more':>8}")
        for name, median in medians.items():
            print(f"{name:44}{median:14.1f}{median - medians['nothing']:8.1f}")
        for rows in (1, 32, 128):
            batch = batch_of(rows)
            began = time.process_time()
            for _ in range(2000):
                metrics.batch("service", batch)
            print(f"{f'a batch of {rows} rows, counted':44}{(time.process_time() - began) / 2000 * 1e6:14.1f}")
        began = time.process_time()
        for _ in range(50):
            metrics.refresh()
        print(f"{'once a second, by a thread':44}{(time.process_time() - began) / 50 * 1e6:14.1f}")


if __name__ == "__main__":
    main()
