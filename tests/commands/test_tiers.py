"""A repo with a warm stream view and a batch view in both tiers: filled, materialized, streamed and looked up."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import redis
import yaml

from commands.apply import apply
from commands.materialize import materialize
from commands.plan import read_plans
from contract.service import read_service
from contract.tags import TagError
from pipelines.batch.here import fill_here
from pipelines.batch.lake import DAY, micros
from pipelines.plan import ViewPlan
from pipelines.stream.sinks import land_events
from pipelines.stream.transport.redis_streams import RedisStreams
from serving.request.columns import RequestColumns
from serving.request.schema import request_schema
from serving.scoring.features import FeatureVectors
from serving.scoring.lookup import Lookup
from workspace.redis_server import RedisServer, start_redis
from workspace.workspace import Workspace, open_store

ROOT = Path(__file__).parents[2]
REPO = Path(__file__).parent / "far_repo"
FIRST = micros("2026-03-01")
FEATURES = ["spending__spent_1h", "habits__price_1d"]


@pytest.fixture
def workspace(
    tmp_path: Path, redis_server: RedisServer, dynamo: Any, proxy: Any, monkeypatch: pytest.MonkeyPatch
) -> Workspace:
    """The repo, not applied; Redis and the DynamoDB behind the proxy are empty."""
    with redis.Redis(port=redis_server.port) as client:
        client.flushall()
    (tmp_path / "data").mkdir()
    settings = yaml.safe_load((REPO / "feature_store.yaml").read_text())
    settings["registry"] = str(tmp_path / "data" / "registry.db")
    settings["online_store"] = {
        "type": "stores.tiered_online.MillraceTieredOnlineStore",
        "hot": {"connection_string": redis_server.connection_string},
        "warm": {"endpoint_url": proxy.url, "total_max_retry_attempts": 1},
        "warm_timeout_ms": 2000,
    }
    file = tmp_path / "data" / "feature_store.yaml"
    file.write_text(yaml.safe_dump(settings))
    for name, value in {"SHOP_DATA": str(tmp_path / "files"), "SPENDING_TIER": "warm", "HABITS_TIER": "both"}.items():
        monkeypatch.setenv(name, value)
    return Workspace(REPO, tmp_path / "data", file)


def orders(*given: tuple[int, int, str, float]) -> pa.Table:
    """Orders from (id, time, user, price)."""
    ids, at, users, prices = zip(*given, strict=True)
    return pa.table(
        {
            "order_id": pa.array(ids, pa.int64()),
            "ordered_at": pa.array(at, pa.timestamp("us", "UTC")),
            "user_id": pa.array(users),
            "price": pa.array(prices, pa.float64()),
            "returned": pa.array([0] * len(ids), pa.int64()),
        }
    )


def fill(workspace: Workspace) -> list[ViewPlan]:
    """Apply the repo and compute its logs for two days with orders of two users."""
    apply(workspace)
    plans = read_plans(workspace)
    end = FIRST + 2 * DAY
    given = orders((1, FIRST + DAY, "ann", 2.0), (2, end - 60_000_000, "ann", 3.0), (3, end - 30_000_000, "bob", 4.0))
    land_events(given, plans[0].table.lake, "ordered_at")
    assert all(fill_here(plan, FIRST, end) for plan in plans)
    return plans


def no_spark() -> Any:
    """Few rows need none."""
    raise AssertionError("Spark was asked for")


def held(server: RedisServer) -> dict[bytes, int]:
    """How many rows of each view Redis holds, by the field of their time."""
    with redis.Redis(port=server.port) as client:
        fields = [one for key in client.scan_iter() if client.type(key) == b"hash" for one in client.hkeys(key)]
    return {one: fields.count(one) for one in fields if one.startswith(b"_ts")}


def items(dynamo: Any, table: str) -> dict[str, str]:
    """The event time of each item of a table."""
    return {item["entity_id"]["S"]: item["event_ts"]["S"] for item in dynamo.scan(TableName=table)["Items"]}


def test_materialized_rows_lie_in_their_tiers_and_are_looked_up_together(
    workspace: Workspace, redis_server: RedisServer, dynamo: Any, proxy: Any
) -> None:
    plans, store = fill(workspace), open_store(workspace)
    done = materialize(no_spark, workspace, store, plans, FIRST + 2 * DAY)
    assert {one.view: one.rows for one in done} == {"spending": 2, "habits": 2}
    assert held(redis_server) == {b"_ts:habits": 2}
    assert len(items(dynamo, "far.spending")) == len(items(dynamo, "far.habits")) == 2

    service = read_service(store, "returns")
    schema = request_schema(service)
    vectors = FeatureVectors(service, Lookup(store, service.stored))
    asked = RequestColumns.of_rows(
        schema,
        schema.parse({"instances": [{"user_id": name} for name in ("bob", "ann", "zoe")]}, FIRST + 2 * DAY, 9)[0],
    )
    batch = vectors.build(asked)
    assert [batch.columns[name].as_python() for name in FEATURES] == [[4.0, 3.0, None], [4.0, 2.5, None]]
    assert batch.degraded is None
    assert {why: counts.tolist() for why, counts in batch.missing.items()} == {"not_found": [0, 0, 2]}

    proxy.cut()
    batch = vectors.build(asked)
    assert [batch.columns[name].as_python() for name in FEATURES] == [[None] * 3, [4.0, 2.5, None]]
    assert batch.degraded is not None
    assert batch.degraded.all()
    assert {why: counts.tolist() for why, counts in batch.missing.items()} == {"store_unavailable": [1, 1, 2]}
    assert batch.missing_of(0) == [{"feature": "spending__spent_1h", "reason": "store_unavailable"}]


def wait(until: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 120.0
    while not until():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def broker() -> Iterator[RedisServer]:
    with start_redis() as server:
        yield server


def test_stream_writes_a_warm_view_to_its_tier(
    workspace: Workspace, redis_server: RedisServer, dynamo: Any, broker: RedisServer, tmp_path: Path
) -> None:
    apply(workspace)
    plan = next(plan for plan in read_plans(workspace) if plan.kind == "stream")
    env = os.environ | workspace.environment()
    env |= {"COLD": "1", "MILLRACE_BROKER": broker.url, "PYTHONWARNINGS": "ignore", "EPOCH_SECONDS": "1"}
    with (tmp_path / "log").open("w") as log:
        stream = subprocess.Popen(
            [sys.executable, "-m", "commands", "stream"], cwd=ROOT, env=env, stdout=log, stderr=log
        )
    try:
        with redis.Redis(port=broker.port) as client:
            wait(lambda: stream.poll() is not None or client.exists("events:orders:taken"))
        now = time.time_ns() // 1000
        RedisStreams(broker.url).publish(
            plan.table, orders((1, now - 9, "ann", 2.0), (2, now - 5, "ann", 3.0), (3, now, "bob", 4.0))
        )
        wait(lambda: stream.poll() is not None or len(items(dynamo, "far.spending")) == 2)
        wait(lambda: stream.poll() is not None or progress(redis_server) == 3)
        assert stream.poll() is None, (tmp_path / "log").read_text()
    finally:
        stream.kill()
        stream.wait()
    assert held(redis_server) == {}
    store = open_store(workspace)
    lookup = Lookup(store, read_service(store, "returns").stored)
    spent = lookup.read({"user_id": ["ann", "bob"]}, np.array([now + 9] * 2))["spending"].columns["spent_1h"]
    assert spent.as_python() == [5.0, 4.0]


def progress(server: RedisServer) -> int:
    """Events that the stream says it has taken."""
    with redis.Redis(port=server.port) as client:
        return int(client.hget("millrace:{far}:events", "spending") or 0)


def test_unknown_tier_is_refused_before_anything_is_registered(
    workspace: Workspace, dynamo: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HABITS_TIER", "cold")
    with pytest.raises(TagError, match=r"habits: tag millrace\.store is 'cold'; write one of hot, warm, both\."):
        apply(workspace)
    assert not (workspace.data / "registry.db").exists()
    assert dynamo.list_tables()["TableNames"] == []
