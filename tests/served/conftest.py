"""A shop played by the clock: requests are scored from a real Redis, and events reach it late, never, or as they come."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import redis

from commands.plan import read_plans
from pipelines.batch.compute import compute_log
from pipelines.plan import ViewPlan
from pipelines.stream.online_sink import ShardRows
from serving.recording.outcomes import Outcome, OutcomeRecord
from serving.scoring.build import SetupReader, build_scorers
from serving.scoring.decision_record import DecisionRecord
from serving.scoring.scorer import Scorer
from stores.cells.layout import layouts_of
from stores.online import open_online
from stores.parquet.feature_log import FeatureLog
from stores.stream_writer import StreamWriter
from workspace.redis_server import RedisServer
from workspace.workspace import Workspace, open_store, read_declarations

START = datetime(2026, 3, 1, tzinfo=UTC)
SERVICE = "returns_v1"
COLUMNS = (
    "habits__price_count",
    "habits__price_sum",
    "habits__price_mean",
    "articles__usual_price",
    "against_habit__over_mean",
)
YAML = """
project: shop
provider: local
registry: {data}/registry.db
online_store: {{type: stores.redis_online.MillraceRedisOnlineStore, connection_string: "{redis}"}}
offline_store: {{type: stores.asof_offline.AsofOfflineStore}}
entity_key_serialization_version: 3
"""
ORDER = pa.schema(
    {
        "order_id": pa.int64(),
        "event_timestamp": pa.timestamp("us", "UTC"),
        "user": pa.string(),
        "article": pa.int64(),
        "price": pa.float64(),
    }
)
Order = dict[str, Any]


def micros(at: datetime) -> int:
    return int(at.timestamp()) * 1_000_000 + at.microsecond


@dataclass
class Shop:
    """The shop and its service.

    Attributes:
        way: To Redis; it can be cut.
        came: The orders that the stream has seen.
        is_streaming: Whether what comes reaches Redis.
    """

    workspace: Workspace
    store: Any
    plan: ViewPlan
    scorer: Scorer
    record: DecisionRecord
    writer: StreamWriter
    way: Any
    came: list[Order] = field(default_factory=list)
    is_streaming: bool = True

    def bring(self, until: datetime) -> None:
        """Let the stream bring its view up to an instant, from what has come."""
        if not self.is_streaming:
            return
        rows = None
        if self.came:
            log = compute_log(self.plan, pa.Table.from_pylist(self.came, ORDER), 0, micros(until) + 1)
            rows = log if len(log) else None
        self.writer.write([ShardRows("habits", 0, micros(until), micros(until), rows, 0)])
        assert self.scorer.freshness is not None
        self.scorer.freshness.frontier.look()

    def ask(self, order: Order) -> str:
        """Score an order before it is known, and return the decision's id."""
        body = {name: order[name] for name in ("user", "article", "price")}
        body["event_timestamp"] = order["event_timestamp"].isoformat()
        scored = self.scorer.score([self.scorer.schema.parse_one(body, 0)])
        assert self.record.append(scored, micros(order["event_timestamp"]) + 1000, [250])
        return scored.ids[0]

    def play(self, orders: list[Order]) -> list[str]:
        """Ask for each order at its time, then let it come."""
        ids = []
        for order in orders:
            self.bring(order["event_timestamp"])
            ids.append(self.ask(order))
            self.came.append(order)
        return ids

    def backfill(self, orders: list[Order]) -> None:
        """Write lake and feature log of all orders there were, up to the newest one's day's end."""
        table = pa.Table.from_pylist(sorted(orders, key=lambda one: one["event_timestamp"]), ORDER)
        land(self.workspace.lake("orders"), table)
        log = compute_log(
            self.plan, table, 0, micros(max(one["event_timestamp"] for one in orders) + timedelta(days=1))
        )
        shutil.rmtree(self.workspace.log("habits"), ignore_errors=True)
        FeatureLog("habits", self.workspace.log("habits")).append(log, "event_timestamp")

    def label(self, orders: list[Order]) -> None:
        """Land what became of orders: dear ones are sent back."""
        table = pa.Table.from_pylist(orders, ORDER)
        returned = pc.cast(pc.greater(table["price"], 45.0), pa.int64())
        land(self.workspace.lake("returns"), table.append_column("is_returned", returned))

    def tell(self, outcomes: dict[str, float], known_at: datetime) -> None:
        """Tell outcomes of decisions."""
        told = OutcomeRecord.open(self.workspace.data, SERVICE)
        assert told.append(
            [Outcome(one, value, None, micros(known_at)) for one, value in outcomes.items()], micros(known_at)
        )
        assert told.close().written

    def change_in_redis(self, user: str, feature: str, value: int) -> None:
        """Overwrite a stored value, as Feast lays it out."""
        from feast.infra.online_stores.helpers import _mmh3, _redis_key
        from feast.protos.feast.types.EntityKey_pb2 import EntityKey
        from feast.protos.feast.types.Value_pb2 import Value

        key = _redis_key("shop", EntityKey(join_keys=["user"], entity_values=[Value(string_val=user)]), 3)
        host, _, port = self.store.config.online_store.connection_string.partition(":")
        with redis.Redis(host, int(port)) as client:
            assert client.hset(key, _mmh3(f"habits:{feature}"), Value(int64_val=value).SerializeToString()) == 0


def land(folder: Path, table: pa.Table) -> None:
    """Write events by day."""
    shutil.rmtree(folder, ignore_errors=True)
    days = pc.strftime(table["event_timestamp"], "%Y-%m-%d")
    for day in days.unique().to_pylist():
        path = folder / f"date={day}" / "part-0.parquet"
        path.parent.mkdir(parents=True)
        pq.write_table(table.filter(pc.equal(days, day)), path)


def draw_orders(count: int, days: int = 2, seed: int = 5) -> list[Order]:
    """Return orders of three users in the order of their times; each time once."""
    random = np.random.default_rng(seed)
    seconds = np.sort(random.choice(days * 86_400, count, replace=False))
    return [
        {
            "order_id": number,
            "event_timestamp": START + timedelta(seconds=int(second), microseconds=number),
            "user": ["ann", "bob", "cec"][random.integers(3)],
            "article": int(random.integers(4)),
            "price": round(float(random.gamma(2.0, 20.0)) + 1, 2),
        }
        for number, second in enumerate(seconds.tolist())
    ]


def save_model(models: Path) -> None:
    """Write a model that reads all features."""
    import xgboost

    generator = np.random.default_rng(7)
    X = generator.normal(size=(100, len(COLUMNS))).astype(np.float32)
    booster = xgboost.train({"max_depth": 2, "nthread": 1}, xgboost.DMatrix(X, label=X[:, 0] > 0), 3)
    said = {"service": SERVICE, "version": "v1", "label": "returns:is_returned", "predicts": "binary"}
    said |= {"metrics": "{}", "split": '{"train_from": "2026-02-01"}', "columns": json.dumps(COLUMNS)}
    booster.set_attr(
        **{f"millrace.{name}": text for name, text in said.items()}, **{"millrace.trained_at": START.isoformat()}
    )
    (models / SERVICE / "v1").mkdir(parents=True)
    booster.save_model(models / SERVICE / "v1" / "model.ubj")
    (models / SERVICE / "CURRENT").write_text("v1\n")


@pytest.fixture
def shop(tmp_path: Path, redis_server: RedisServer, make_proxy: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """A shop without orders; articles 0 to 2 are known since yesterday."""
    way = make_proxy(int(redis_server.connection_string.rpartition(":")[2]))
    repo, data = tmp_path / "repo", tmp_path / "data"
    shutil.copytree(Path(__file__).parent / "shop_repo", repo)
    data.mkdir()
    (data / "feature_store.yaml").write_text(YAML.format(data=data, redis=way.url.removeprefix("http://")))
    (repo / "serving.yaml").write_text(f"service: {SERVICE}\n")
    monkeypatch.setenv("MILLRACE_DATA", str(data))
    with redis.Redis.from_url(f"redis://{redis_server.connection_string}") as client:
        client.flushall()
    workspace = Workspace.from_env({"REPO": str(repo), "MILLRACE_DATA": str(data)})
    declared = read_declarations(workspace)
    store = open_store(workspace)
    store.apply(
        [
            *declared.entities,
            *declared.data_sources,
            *declared.feature_views,
            *declared.stream_feature_views,
            *declared.on_demand_feature_views,
            *declared.feature_services,
        ]
    )
    prices = pd.DataFrame(
        {"article": [0, 1, 2], "usual_price": [10.0, 20.0, 30.0], "event_timestamp": START - timedelta(days=1)}
    )
    FeatureLog("articles", workspace.log("articles")).append(pa.Table.from_pandas(prices), "event_timestamp")
    store.write_to_online_store("articles", prices)
    save_model(workspace.models)
    scorer = build_scorers(workspace, [SERVICE], SetupReader(workspace.models))[SERVICE]
    online = open_online(store.config)
    online.progress("shop").begin({"habits": 1})
    record = DecisionRecord(data, scorer.service, scorer.schema)
    (plan,) = read_plans(workspace)
    yield Shop(workspace, store, plan, scorer, record, StreamWriter(online, "shop", layouts_of(store, ["habits"])), way)
    record.close()


@pytest.fixture
def draw() -> Any:
    """Draws orders: `draw(60)`, of two days from 2026-03-01 on."""
    return draw_orders
