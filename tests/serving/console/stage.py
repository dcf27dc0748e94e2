"""What the console is shown in tests: a decision log by hand, and the service that answers."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import uvicorn

from serving.metrics.replica import ReplicaMetrics
from serving.scoring.freshness import Frontier

SERVICE = "click_v1"
LOG_SCHEMA = pa.schema(
    [
        *(("decision_id", pa.string()), ("decided_at", pa.timestamp("us", "UTC"))),
        *(("event_timestamp", pa.timestamp("us", "UTC")), ("model_version", pa.string()), ("arm", pa.string())),
        *(
            ("score", pa.float64()),
            ("decision", pa.string()),
            ("reasons", pa.list_(pa.string())),
            ("degraded", pa.bool_()),
        ),
        *(("latency_us", pa.int64()), ("user_id", pa.string()), ("ad_id", pa.int64()), ("bid", pa.float64())),
        *(("user_activity__clicks", pa.int64()), ("age_us__user_activity", pa.int64())),
        *(
            ("missing__user_activity", pa.string()),
            ("missing__ad_quality", pa.string()),
            ("shadow__next", pa.float64()),
        ),
    ]
)


def logged(number: int, at: datetime, **other: object) -> dict[str, object]:
    """Return one row of a decision log."""
    row: dict[str, object] = {
        "decision_id": f"d{number:05}",
        "decided_at": at,
        "event_timestamp": at - timedelta(milliseconds=5),
        "model_version": "v1",
        "arm": "champion",
        "score": 0.25,
        "decision": "skip",
        "reasons": [],
        "degraded": False,
        "latency_us": 1500,
        "user_id": "ann",
        "ad_id": 7,
        "bid": 0.5,
        "user_activity__clicks": 4,
        "age_us__user_activity": 3_600_000_000,
        "missing__user_activity": None,
        "missing__ad_quality": None,
        "shadow__next": 0.3,
    }
    return row | other


def write_log(folder: Path, file: str, rows: list[dict[str, object]]) -> None:
    """Write rows as one file of a service's decision log."""
    day = folder / f"{rows[0]['decided_at']:%Y-%m-%d}"
    day.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, LOG_SCHEMA), day / f"{file}.parquet")


@dataclass
class Served:
    """A running service.

    Attributes:
        url: Where it answers.
        data: Its data folder.
        http: A client of it.
        frontier: Up to when the stream has brought each view.
        metrics: What it counts.
    """

    url: str
    data: Path
    http: httpx.Client
    frontier: Frontier
    metrics: ReplicaMetrics


@contextmanager
def answering(app: Any) -> Iterator[str]:
    """Let an app answer real HTTP until the block ends; give where."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", lifespan="off"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(10)
