"""The tiered plug-in through a real FeatureStore: tags route views, and one call reads both tiers."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import redis
from feast.protos.feast.serving.ServingService_pb2 import FieldStatus

from contract.tags import TagError
from stores.cells.layout import layouts_of
from stores.cells.reading import Status
from stores.online import OnlineStoreUnavailable, ShardProgress, online_opener, open_online
from stores.redis_online import MillraceRedisOnlineStore
from workspace.redis_server import start_redis

REFS = ["recent:n", "history:n", "mirrored:n"]
NAMES = ("recent", "history", "mirrored")
Build = Callable[[], Any]


@pytest.fixture
def declared(tmp_path: Path) -> list[Any]:
    """A view of each tier; the hot one has no tag."""
    from feast import Entity, FeatureView, Field, FileSource, ValueType
    from feast.types import Int64, String

    user = Entity(name="user", join_keys=["user"], value_type=ValueType.STRING)
    views = [
        FeatureView(
            name=name,
            entities=[user],
            schema=[Field(name="user", dtype=String), Field(name="n", dtype=Int64)],
            source=FileSource(name=f"{name}_log", path=str(tmp_path / name), timestamp_field="event_timestamp"),
            ttl=timedelta(minutes=1),
            tags=tags,
        )
        for name, tags in zip(NAMES, ({}, {"millrace.store": "warm"}, {"millrace.store": "both"}), strict=True)
    ]
    return [user, *views]


@pytest.fixture
def build(feast_store: Callable[..., Any], redis_server: Any, dynamo: Any, proxy: Any) -> Callable[..., Any]:
    """Builds a tiered store, the DynamoDB behind the proxy: `build(clock="stream")`."""

    def made(warm_timeout_ms: int = 1000, **hot: Any) -> Any:
        return feast_store(
            {
                "type": "stores.tiered_online.MillraceTieredOnlineStore",
                "hot": {"connection_string": redis_server.connection_string, **hot},
                "warm": {
                    "region": "us-east-1",
                    "endpoint_url": proxy.url,
                    "total_max_retry_attempts": 1,
                    "read_timeout": 2,
                },
                "warm_timeout_ms": warm_timeout_ms,
            }
        )

    return made


@pytest.fixture
def store(build: Build, declared: list[Any], noon: datetime, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A tiered store whose wall clock stands at noon, with two rows of each view at noon."""
    now = micros(noon)
    monkeypatch.setattr(MillraceRedisOnlineStore, "now_us", staticmethod(lambda: now))
    built = build()
    built.apply(declared)
    for number, name in enumerate(NAMES):
        built.write_to_online_store(name, frame(noon, number))
    return built


def micros(when: datetime) -> int:
    """A time in microseconds since the epoch."""
    return (when - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def frame(when: datetime, number: int) -> pd.DataFrame:
    """Rows of a view at a time."""
    return pd.DataFrame({"user": ["a", "b"], "n": [number, number + 10], "event_timestamp": [when] * 2})


def read(store: Any, *users: str) -> dict[str, list[tuple[Any, int]]]:
    """What get_online_features returns: by view, values and statuses."""
    answer = store.get_online_features(REFS, [{"user": user} for user in users], full_feature_names=True)
    values = answer.to_dict()
    return {
        name.removesuffix("__n"): list(zip(values[name], vector.statuses, strict=True))
        for name, vector in zip(answer.proto.metadata.feature_names.val, answer.proto.results, strict=True)
        if name != "user"
    }


def here(*values: int) -> list[tuple[Any, int]]:
    """Values that are there."""
    return [(value, FieldStatus.PRESENT) for value in values]


GONE = (None, FieldStatus.INVALID)
NONE = (None, FieldStatus.NOT_FOUND)


def test_views_lie_where_they_are_tagged(store: Any, dynamo: Any, client: redis.Redis) -> None:
    assert sorted(dynamo.list_tables()["TableNames"]) == ["shop.history", "shop.mirrored"]
    assert len(dynamo.scan(TableName="shop.history")["Items"]) == 2
    fields = {field for key in client.scan_iter() for field in client.hkeys(key) if field.startswith(b"_ts")}
    assert fields == {b"_ts:recent", b"_ts:mirrored"}
    assert read(store, "b", "a", "x") == {
        "recent": [*here(10, 0), NONE],
        "history": [*here(11, 1), NONE],
        "mirrored": [*here(12, 2), NONE],
    }


def test_service_reads_both_tiers_in_one_call_also_asynchronously(store: Any, declared: list[Any]) -> None:
    import asyncio

    from feast import FeatureService

    service = FeatureService(name="all_of_them", features=declared[1:])
    store.apply([service])
    answer = asyncio.run(store.get_online_features_async(service, [{"user": "b"}], full_feature_names=True))
    assert answer.to_dict() == {"user": ["b"], "recent__n": [10], "history__n": [11], "mirrored__n": [12]}


def test_slow_warm_tier_costs_its_timeout_and_marks_only_its_own(store: Any, proxy: Any) -> None:
    proxy.delay = 4.0
    start = time.monotonic()
    found = read(store, "a", "x")
    assert 1.0 <= time.monotonic() - start < 2.0
    assert found == {"recent": [*here(0), NONE], "history": [GONE, GONE], "mirrored": [*here(2), GONE]}


def test_warm_tier_that_is_away_marks_only_its_own(store: Any, proxy: Any, noon: datetime) -> None:
    proxy.cut()
    assert read(store, "a") == {"recent": here(0), "history": [GONE], "mirrored": here(2)}
    store.write_to_online_store("recent", frame(noon, 5))
    with pytest.raises(OnlineStoreUnavailable, match="DynamoDB at"):
        store.write_to_online_store("history", frame(noon, 5))


def test_row_that_the_hot_tier_lost_comes_from_the_warm_one(store: Any, client: redis.Redis, noon: datetime) -> None:
    client.flushall()
    assert read(store, "a", "x") == {"recent": [NONE, NONE], "history": [*here(1), NONE], "mirrored": [*here(2), NONE]}


@pytest.mark.parametrize("clock", ["wall", "stream"])
def test_while_redis_is_away_what_is_in_both_comes_from_the_warm_tier(
    build: Callable[..., Any], declared: list[Any], noon: datetime, monkeypatch: pytest.MonkeyPatch, clock: str
) -> None:
    now = micros(noon)
    monkeypatch.setattr(MillraceRedisOnlineStore, "now_us", staticmethod(lambda: now))
    with start_redis() as server:
        store = build(10_000, connection_string=server.connection_string, clock=clock)  # also on a busy machine
        store.apply(declared)
        for number, name in enumerate(NAMES):
            store.write_to_online_store(name, frame(noon, number))
        progress = open_online(store.config).progress("shop")
        progress.begin({"recent": 1})
        progress.tell([ShardProgress("recent", 0, now, now)])
        assert read(store, "a")["recent"] == here(0)
    found = read(store, "a", "nobody")
    assert found == {"recent": [GONE, GONE], "history": [*here(1), NONE], "mirrored": [*here(2), GONE]}
    for _ in range(5):  # also while Redis is left alone
        assert read(store, "a") == {"recent": [GONE], "history": here(1), "mirrored": here(2)}
    stats = store._get_provider().online_store.stats()
    assert (stats["hot"]["breaker"]["state"], stats["warm"]["calls"]["state"]) == ("open", "closed")
    with pytest.raises(OnlineStoreUnavailable, match="Redis at"):
        store.get_online_features(["recent:n"], [{"user": "a"}])
    now += 60_000_001
    assert read(store, "a")["mirrored"][0][1] == (
        FieldStatus.OUTSIDE_MAX_AGE if clock == "wall" else FieldStatus.PRESENT
    )


def test_older_rows_do_not_land_in_either_tier(store: Any, client: redis.Redis, noon: datetime) -> None:
    for name in NAMES:
        store.write_to_online_store(name, frame(noon - timedelta(microseconds=1), 70))
    assert read(store, "a") == {"recent": here(0), "history": here(1), "mirrored": here(2)}
    client.flushall()
    assert read(store, "a")["mirrored"] == here(2)


def test_streams_clock_counts_for_both_tiers(store: Any, build: Callable[..., Any], noon: datetime) -> None:
    by_stream = build(clock="stream")
    progress = open_online(by_stream.config).progress("shop")
    progress.begin({"history": 1})
    for late, there in ((timedelta(minutes=1), True), (timedelta(minutes=1, microseconds=1), False)):
        progress.tell([ShardProgress("history", 0, micros(noon + late), micros(noon + late))])
        found = read(by_stream, "a")
        statuses = {name: view[0][1] for name, view in found.items()}
        assert statuses == dict.fromkeys(NAMES, FieldStatus.PRESENT if there else FieldStatus.OUTSIDE_MAX_AGE)
        answer = by_stream.get_online_features(["history:n"], [{"user": "a"}]).to_dict()
        assert answer["n"] == ([1] if there else [None])


def test_bulk_room_reads_what_the_plug_in_wrote(store: Any) -> None:
    sent = pickle.dumps(online_opener(store.config))  # as Spark's tasks and the stream's workers get it
    opened, layouts = pickle.loads(sent)(), layouts_of(store, NAMES)
    assert [layouts[name].tier for name in NAMES] == ["hot", "warm", "both"]
    found = opened.reader(list(layouts.values())).read({"user": ["a", "x"]}).views
    assert {tuple(view.row_status.tolist()) for view in found.values()} == {(Status.PRESENT, Status.NOT_FOUND)}
    assert [view.columns["n"].as_python()[0] for view in found.values()] == [0, 1, 2]


def test_logs_are_materialized_into_their_tiers(store: Any, client: redis.Redis, dynamo: Any, tmp_path: Path) -> None:
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    for name in NAMES:
        (tmp_path / name).mkdir()
        frame(noon + timedelta(seconds=1), 40).to_parquet(tmp_path / name / "1.parquet")
    store.materialize(noon - timedelta(days=1), noon + timedelta(minutes=1))
    assert read(store, "a") == dict.fromkeys(NAMES, here(40))
    assert {item["event_ts"]["S"] for item in dynamo.scan(TableName="shop.history")["Items"]} == {
        "2026-03-01 12:00:01+00:00"
    }


def test_unknown_tier_is_refused_and_nothing_is_registered(build: Build, declared: list[Any], dynamo: Any) -> None:
    declared[1].tags = {"millrace.store": "cold"}
    store = build()
    with pytest.raises(TagError, match=r"recent: tag millrace\.store is 'cold'; write one of hot, warm, both\."):
        store.apply(declared)
    assert dynamo.list_tables()["TableNames"] == []
    assert build().list_feature_views() == []


def test_teardown_empties_both_tiers(store: Any, dynamo: Any, client: redis.Redis) -> None:
    store.teardown()
    assert dynamo.list_tables()["TableNames"] == []
    assert client.dbsize() == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"warm_timeout_ms": 0}, "greater than 0"),
        ({"hot": {"type": "redis"}}, "hot.type"),
        ({"warm": {"regoin": "x"}}, "regoin"),
    ],
    ids=["no time", "another store", "a typing mistake"],
)
def test_configuration_that_cannot_be_kept_is_refused(change: dict[str, Any], message: str) -> None:
    from pydantic import ValidationError

    from stores.tiered_online import MillraceTieredOnlineStoreConfig

    with pytest.raises(ValidationError, match=message):
        MillraceTieredOnlineStoreConfig(**{"hot": {}, "warm": {}, **change})
