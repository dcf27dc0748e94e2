"""The Feast plug-in against Feast's own Redis store, through a real FeatureStore."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import redis
from feast.infra.online_stores.helpers import _mmh3
from feast.infra.online_stores.redis import RedisOnlineStore
from feast.protos.feast.serving.ServingService_pb2 import FieldStatus

from stores.cells.layout import layout_of
from stores.online import OnlineStoreUnavailable, ShardProgress, open_online
from stores.redis.progress import RedisProgress
from stores.redis.reader import OnlineReader
from stores.redis_online import MillraceRedisOnlineStore
from workspace.redis_server import start_redis

REFS = ["clicks:n", "clicks:rate", "clicks:last", "clicks:device", "profile:age"]
MILLRACE = {"type": "stores.redis_online.MillraceRedisOnlineStore"}
STREAM = {**MILLRACE, "clock": "stream"}
STOCK = {"type": "redis"}
Build = Callable[..., Any]


def frame(when: datetime, **columns: Any) -> pd.DataFrame:
    """Rows of `clicks` at a time."""
    base = {"user": ["a", "b"], "n": [1, 2], "rate": [0.5, None], "last": [[1.0, 2.0], []], "device": ["ios", "web"]}
    return pd.DataFrame({**base, "event_timestamp": [when] * 2, **columns})


def micros(when: datetime) -> int:
    """A time in microseconds since the epoch."""
    return (when - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


@pytest.fixture
def store(feast_store: Build, declared: list[Any], noon: datetime, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A feature store whose wall clock stands at noon."""
    monkeypatch.setattr(MillraceRedisOnlineStore, "now_us", staticmethod(lambda: micros(noon)))
    built = feast_store(MILLRACE)
    built.apply(declared)
    return built


def read(store: Any, *users: str) -> dict[str, Any]:
    """What get_online_features returns."""
    return store.get_online_features(REFS, [{"user": user} for user in users]).to_dict()


@pytest.mark.parametrize(("writer", "reader"), [(MILLRACE, STOCK), (STOCK, STREAM)], ids=["ours-stock", "stock-ours"])
def test_rows_of_one_store_are_read_by_the_other(
    feast_store: Build, declared: list[Any], noon: datetime, writer: dict[str, str], reader: dict[str, str]
) -> None:
    first = feast_store(writer)
    first.apply(declared)
    first.write_to_online_store("clicks", frame(noon))
    profile = pd.DataFrame({"user": ["a", "b"], "age": [41, 42], "event_timestamp": [noon] * 2, "created": [noon] * 2})
    first.write_to_online_store("profile", profile)
    found = read(feast_store(reader), "b", "a", "b")
    assert found == {
        "user": ["b", "a", "b"],
        "n": [2, 1, 2],
        "rate": [None, 0.5, None],
        "last": [[], [1.0, 2.0], []],
        "device": ["web", "ios", "web"],
        "age": [42, 41, 42],
    }


def test_bytes_in_redis_equal_those_of_the_stock_store(
    feast_store: Build, declared: list[Any], noon: datetime, client: redis.Redis
) -> None:
    snapshots = []
    for options in (STOCK, MILLRACE):
        store = feast_store(options)
        store.apply(declared)
        store.write_to_online_store("clicks", frame(noon + timedelta(microseconds=123_456)))
        for key in client.scan_iter():  # the registry lists a stream view's join key as a feature; only stock keeps it
            client.hdel(key, _mmh3("clicks:user"))
        snapshots.append({key: client.hgetall(key) for key in client.scan_iter()})
        client.flushall()
    assert snapshots[0] == snapshots[1]
    assert len(snapshots[0]) == 2


def test_arrow_table_is_written_like_rows(store: Any, noon: datetime, client: redis.Redis) -> None:
    store.write_to_online_store("clicks", frame(noon))
    expected = {key: client.hgetall(key) for key in client.scan_iter()}
    client.flushall()
    view = store.get_stream_feature_view("clicks")
    writer = open_online(store.config).writer(layout_of(view, store.config))
    result = writer.write(pa.Table.from_pandas(frame(noon)), "event_timestamp")
    assert result.written == 2
    assert {key: client.hgetall(key) for key in client.scan_iter()} == expected


def test_correction_at_an_equal_time_lands_and_an_older_row_does_not(store: Any, noon: datetime) -> None:
    store.write_to_online_store("clicks", frame(noon))
    store.write_to_online_store("clicks", frame(noon, n=[10, 20]))
    store.write_to_online_store("clicks", frame(noon - timedelta(microseconds=1), n=[7, 7]))
    assert read(store, "a", "b")["n"] == [10, 20]


def test_newest_row_of_a_batch_wins_and_the_last_at_equal_times(store: Any, noon: datetime) -> None:
    later = noon + timedelta(microseconds=1)
    frames = [frame(later, n=[1, 1]), frame(noon, n=[2, 2]), frame(later, n=[3, 3])]
    store.write_to_online_store("clicks", pd.concat(frames))
    assert read(store, "a", "b")["n"] == [3, 3]


def test_async_writes_are_monotonic_too(store: Any, noon: datetime) -> None:
    async def write() -> None:
        await store.write_to_online_store_async("clicks", frame(noon))
        await store.write_to_online_store_async("clicks", frame(noon - timedelta(seconds=1), n=[7, 7]))

    asyncio.run(write())
    assert read(store, "a")["n"] == [1]


@pytest.mark.parametrize("late", [0, 1], ids=["on the edge", "a microsecond late"])
@pytest.mark.parametrize("how", ["get", "get_async", "read", "read_async", "columnar"])
def test_ttl_holds_on_every_way_to_read(store: Any, noon: datetime, client: redis.Redis, how: str, late: int) -> None:
    store.write_to_online_store("clicks", frame(noon - timedelta(minutes=1, microseconds=late)))
    view, online = store.get_stream_feature_view("clicks"), store._get_provider().online_store
    if how == "get":
        value = read(store, "a")["n"][0]
    elif how == "get_async":
        value = asyncio.run(store.get_online_features_async(REFS, [{"user": "a"}])).to_dict()["n"][0]
    elif how == "columnar":
        rows = OnlineReader(client, [layout_of(view, store.config)]).read({"user": ["a"]}, micros(noon))
        value = rows.views["clicks"].columns["n"].arrow().to_pylist()[0]
    else:
        from feast.protos.feast.types.EntityKey_pb2 import EntityKey
        from feast.protos.feast.types.Value_pb2 import Value

        key = EntityKey(join_keys=["user"], entity_values=[Value(string_val="a")])
        call = getattr(online, f"online_{how}")(store.config, view, [key], ["n"])
        ((when, values),) = asyncio.run(call) if how == "read_async" else call
        value = values["n"].int64_val if values else None
        assert (when is None) == bool(late)
    assert value == (None if late else 1)


@pytest.mark.parametrize("late", [0, 1], ids=["on the edge", "a microsecond late"])
def test_online_and_offline_agree_on_the_edge_of_the_ttl(store: Any, noon: datetime, late: int) -> None:
    rows = frame(noon - timedelta(minutes=1, microseconds=late))
    store.write_to_online_store("clicks", rows)
    view = store.get_stream_feature_view("clicks")
    store._get_provider().ingest_df_to_offline_store(view, pa.Table.from_pandas(rows))
    labels = pd.DataFrame({"user": ["a", "b"], "event_timestamp": [noon] * 2})
    offline = store.get_historical_features(labels, REFS[:4]).to_arrow().to_pydict()
    online = store.get_online_features(REFS[:4], [{"user": "a"}, {"user": "b"}]).to_dict()
    assert {name: offline[name] for name in online} == online
    assert online["n"] == ([None, None] if late else [1, 2])


def test_every_missing_value_says_why(store: Any, noon: datetime) -> None:
    store.write_to_online_store("clicks", frame(noon))
    store.write_to_online_store("clicks", frame(noon - timedelta(hours=1), user=["old", "old"]))
    response = store.get_online_features(REFS, [{"user": user} for user in ("b", "never", "old")]).proto
    statuses = dict(zip(response.metadata.feature_names.val, (list(v.statuses) for v in response.results), strict=True))
    old, none = FieldStatus.OUTSIDE_MAX_AGE, FieldStatus.NOT_FOUND
    assert statuses["rate"] == [FieldStatus.NULL_VALUE, none, old]
    assert statuses["n"] == [FieldStatus.PRESENT, none, old]
    assert statuses["age"] == [none, none, none]


def test_full_feature_names_are_kept(store: Any, noon: datetime) -> None:
    store.write_to_online_store("clicks", frame(noon))
    found = store.get_online_features(["clicks:n"], [{"user": "a"}], full_feature_names=True).to_dict()
    assert found == {"user": ["a"], "clicks__n": [1]}


def test_answer_equals_that_of_the_stock_store(feast_store: Build, declared: list[Any], noon: datetime) -> None:
    store = feast_store(STREAM)
    store.apply(declared)
    store.write_to_online_store("clicks", frame(noon))
    answers = []
    for options in (STREAM, STOCK):
        asked = feast_store(options).get_online_features(REFS[:4], [{"user": user} for user in ("a", "b", "a")]).proto
        for vector in asked.results:  # the stock store calls a null value present
            del vector.statuses[:]
        answers.append(asked)
    assert answers[0] == answers[1]


def move_clock(client: redis.Redis, t: int) -> None:
    progress = RedisProgress(client, "shop")
    progress.begin({"clicks": 1})
    progress.tell([ShardProgress("clicks", 0, t, t)])


def test_ttl_follows_the_clock_of_the_stream(
    feast_store: Build, declared: list[Any], noon: datetime, client: redis.Redis
) -> None:
    store = feast_store(STREAM)
    store.apply(declared)
    store.write_to_online_store("clicks", frame(noon))
    assert read(store, "a")["n"] == [1]  # no clock yet: nothing is too old
    move_clock(client, micros(noon) + 60_000_000)
    assert read(store, "a")["n"] == [1]
    move_clock(client, micros(noon) + 60_000_001)
    assert read(store, "a")["n"] == [None]


def test_reads_go_to_the_replica(feast_store: Build, declared: list[Any], noon: datetime, redis_server: Any) -> None:
    with start_redis(options=("--replicaof", "127.0.0.1", str(redis_server.port))) as replica:
        store = feast_store({**STREAM, "read_from": "replica", "replicas": replica.connection_string})
        store.apply(declared)
        store.write_to_online_store("clicks", frame(noon))
        with redis.Redis(port=redis_server.port) as primary, redis.Redis(port=replica.port) as copy:
            deadline = time.monotonic() + 60
            while copy.info("replication")["master_link_status"] != "up":
                assert time.monotonic() < deadline, "the replica did not find its primary"
                threading.Event().wait(0.05)
            primary.set("synchronised", 1)
            assert primary.wait(1, 10_000) == 1
            before = primary.info("commandstats").get("cmdstat_hmget", {"calls": 0})["calls"]
            assert read(store, "a")["n"] == [1]
            assert primary.info("commandstats").get("cmdstat_hmget", {"calls": 0})["calls"] == before


def test_deleting_a_view_deletes_its_rows_only(store: Any, noon: datetime, client: redis.Redis) -> None:
    store.write_to_online_store("clicks", frame(noon))
    profile = pd.DataFrame({"user": ["a"], "age": [41], "event_timestamp": [noon], "created": [noon]})
    store.write_to_online_store("profile", profile)
    online = store._get_provider().online_store
    online.update(store.config, [store.get_stream_feature_view("clicks")], [], [], [], False)
    assert read(store, "a")["age"] == [41]
    assert read(store, "a")["n"] == [None]
    online.teardown(store.config, [store.get_feature_view("profile")], [])
    assert client.dbsize() == 0


def test_rows_of_many_entities_are_deduplicated_and_spread(store: Any, noon: datetime) -> None:
    users = [f"u{i}" for i in range(300)]
    big = frame(noon).iloc[[0] * 300].assign(user=users, n=range(300))
    store.write_to_online_store("clicks", big)
    picks = np.random.default_rng(1).integers(0, 300, 500).tolist()
    assert read(store, *(users[pick] for pick in picks))["n"] == picks


def test_store_is_still_feasts_redis_store() -> None:
    assert issubclass(MillraceRedisOnlineStore, RedisOnlineStore)


def test_redis_that_is_away_is_named_with_what_to_do(feast_store: Build, declared: list[Any], noon: datetime) -> None:
    with start_redis() as gone:
        address = gone.connection_string
    store = feast_store({**MILLRACE, "connection_string": address})
    store.apply(declared)
    with pytest.raises(OnlineStoreUnavailable, match=rf"Redis at {address} does not answer .*'make redis'"):
        store.write_to_online_store("clicks", frame(noon))


def test_a_view_without_entities_that_is_pushed_is_read(feast_store: Build, noon: datetime, tmp_path: Path) -> None:
    from feast import FeatureView, Field, FileSource
    from feast.types import Int64

    source = FileSource(name="load_log", path=str(tmp_path / "load"), timestamp_field="event_timestamp")
    store = feast_store()
    store.apply([FeatureView(name="load", entities=[], schema=[Field(name="visitors", dtype=Int64)], source=source)])
    store.write_to_online_store("load", pd.DataFrame({"visitors": [31], "event_timestamp": [noon]}))
    answer = store.get_online_features(features=["load:visitors"], entity_rows=[{"user": "ann"}, {"user": "bob"}])
    assert answer.to_dict()["visitors"] == [31, 31]
