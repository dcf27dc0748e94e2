"""Two tiers as one store: what lies where, what a slow or absent warm tier costs, and what a view in both gains."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import redis

from stores.cells.layout import ViewLayout
from stores.cells.reading import Status
from stores.cells.timestamps import NO_TIMESTAMP
from stores.dynamo.connection import DynamoSettings
from stores.dynamo.schema import create_table
from stores.dynamo.store import DynamoStore
from stores.dynamo.store import open_room as open_dynamo
from stores.online import OnlineStoreUnavailable
from stores.redis.store import RedisSettings, RedisStore
from stores.redis.store import open_room as open_redis
from stores.tiered.store import TieredStore
from stores.tiered.warm_calls import AT_ONCE
from workspace.redis_server import RedisServer, start_redis

T = 1_772_366_400_000_000  # 2026-03-01 12:00 UTC
KEYS = (("user", "STRING"),)
RECENT = ViewLayout("shop", "recent", KEYS, (("n", "INT64"), ("words", "STRING_LIST")), 60_000_000, tier="hot")
HISTORY = ViewLayout("shop", "history", KEYS, (("n", "INT64"), ("words", "STRING_LIST")), tier="warm")
MIRRORED = ViewLayout("shop", "mirrored", KEYS, (("n", "INT64"), ("words", "STRING_LIST")), 60_000_000, tier="both")
TIMEOUT_S, SLOW_S = 1.0, 4.0


def rows(*given: tuple[str, int, int]) -> pa.Table:
    """Rows of any of the views from (user, event time, n)."""
    return pa.table(
        {
            "user": [user for user, _, _ in given],
            "event_timestamp": pa.array([at for _, at, _ in given], pa.timestamp("us", "UTC")),
            "n": [n for _, _, n in given],
            "words": [["w"] * n for _, _, n in given],
        }
    )


@pytest.fixture
def hot(client: redis.Redis, redis_server: RedisServer) -> RedisStore:
    """An empty Redis."""
    return open_redis(RedisSettings(redis_server.connection_string, "redis", "", None))


@pytest.fixture
def warm(aws: str, dynamo: Any) -> DynamoStore:
    """A DynamoDB, asked directly."""
    for layout in (HISTORY, MIRRORED):
        create_table(dynamo, f"shop.{layout.name}")
    return open_dynamo(DynamoSettings(endpoint_url=aws))


@pytest.fixture
def tiered(hot: RedisStore, warm: DynamoStore, proxy: Any) -> TieredStore:
    """Both, the DynamoDB behind the proxy; each view has a row of user `a`."""
    behind = open_dynamo(DynamoSettings(endpoint_url=proxy.url, total_max_retry_attempts=1, read_timeout=2.0))
    store = TieredStore(hot, behind, TIMEOUT_S)
    for number, layout in enumerate((RECENT, HISTORY, MIRRORED)):
        store.writer(layout).write(rows(("a", T, number + 1)), "event_timestamp")
    read(store, "a")  # so that connecting is no part of what is measured
    return store


def read(store: Any, *users: str | None, as_of: Any = T) -> dict[str, Any]:
    """Read all views."""
    return store.reader([HISTORY, RECENT, MIRRORED]).read({"user": list(users)}, as_of).views


def test_views_lie_where_they_are_tagged(tiered: TieredStore, hot: RedisStore, warm: DynamoStore) -> None:
    asked = [replace(one, ttl_us=0) for one in (RECENT, HISTORY, MIRRORED)]
    found = hot.reader(asked).read({"user": ["a"]}).views
    assert [found[name].columns["n"].as_python() for name in ("recent", "history", "mirrored")] == [[1], [None], [3]]
    found = warm.reader(asked[1:]).read({"user": ["a"]}).views
    assert [found[name].columns["n"].as_python() for name in ("history", "mirrored")] == [[2], [3]]
    found = read(tiered, "a", "b")
    assert [one.columns["n"].as_python() for one in found.values()] == [[2, None], [1, None], [3, None]]
    assert list(found) == ["history", "recent", "mirrored"]


def test_slow_warm_tier_costs_its_timeout_and_marks_only_its_own(tiered: TieredStore, proxy: Any) -> None:
    proxy.delay = SLOW_S
    start = time.monotonic()
    found = read(tiered, "a", "a")
    took = time.monotonic() - start
    assert TIMEOUT_S <= took < SLOW_S / 2
    assert found["recent"].columns["n"].as_python() == [1, 1]
    assert found["mirrored"].columns["words"].as_python() == [["w"] * 3] * 2
    history = found["history"]
    assert history.row_status.tolist() == [Status.UNAVAILABLE] * 2
    assert history.event_timestamp_us.tolist() == [NO_TIMESTAMP] * 2
    for column in history.columns.values():
        assert column.status is not None
        assert column.status.tolist() == [Status.UNAVAILABLE] * 2
        assert column.as_python() == [None, None]
    proxy.delay = 0.0
    assert read(tiered, "a")["history"].columns["n"].as_python() == [2]


def test_warm_tier_that_hangs_holds_few_threads_and_no_reader(tiered: TieredStore, proxy: Any) -> None:
    proxy.delay = 30.0
    store = TieredStore(tiered._hot, tiered._warm, 0.01)
    reader = store.reader([HISTORY, RECENT])
    before = proxy.sent
    start = time.monotonic()
    for _ in range(3 * AT_ONCE):
        assert reader.read({"user": ["a"]}).views["recent"].columns["n"].as_python() == [1]
    assert time.monotonic() - start < 3 * AT_ONCE * 0.5  # each would wait for 2 s
    assert proxy.sent - before <= 2 * AT_ONCE  # headers and body; those that waited for a thread were given up


def test_warm_tier_that_is_away_marks_only_its_own(tiered: TieredStore, proxy: Any) -> None:
    proxy.cut()
    start = time.monotonic()
    found = read(tiered, "a", "b")
    assert time.monotonic() - start < TIMEOUT_S  # it is refused: nobody waits
    assert found["recent"].row_status.tolist() == [Status.PRESENT, Status.NOT_FOUND]
    assert found["history"].row_status.tolist() == [Status.UNAVAILABLE] * 2
    assert found["mirrored"].row_status.tolist() == [Status.PRESENT, Status.UNAVAILABLE]
    assert found["mirrored"].columns["n"].as_python() == [3, None]
    tiered.ping()
    tiered.writer(RECENT).write(rows(("a", T, 5)), "event_timestamp")
    with pytest.raises(OnlineStoreUnavailable, match="DynamoDB at"):
        tiered.writer(MIRRORED).write(rows(("a", T, 5)), "event_timestamp")


def test_hot_views_never_ask_the_warm_tier(tiered: TieredStore, proxy: Any) -> None:
    mirrored = tiered.reader([MIRRORED])
    time.sleep(0.3)  # until it has connected
    before = proxy.sent
    tiered.reader([RECENT]).read({"user": ["a", "b"]})
    mirrored.read({"user": ["a", "a"]}, T)
    tiered.writer(RECENT).write(rows(("a", T, 5)), "event_timestamp")
    assert proxy.sent == before
    mirrored.read({"user": ["a", "b"]}, T)
    assert proxy.sent > before


def test_reader_connects_before_it_is_asked(hot: RedisStore, proxy: Any) -> None:
    store = TieredStore(hot, open_dynamo(DynamoSettings(endpoint_url=proxy.url), check=False), TIMEOUT_S)
    store.reader([RECENT])
    assert proxy.sent == 0
    store.reader([HISTORY])
    deadline = time.monotonic() + 10
    while not proxy.sent:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_row_that_the_hot_tier_lost_comes_from_the_warm_one(
    tiered: TieredStore, hot: RedisStore, warm: DynamoStore, client: redis.Redis
) -> None:
    tiered.writer(MIRRORED).write(rows(("b", T + 1, 4), ("c", T + 2, 1)), "event_timestamp")
    client.flushall()
    hot.writer(MIRRORED).write(rows(("a", T - 10**9, 9), ("b", T - 10**9, 9), ("d", T - 10**9, 9)), "event_timestamp")
    hot.writer(MIRRORED).write(rows(("c", T + 3, 2)), "event_timestamp")
    times = np.array([T, T, T, T + 60_000_002, T, T])
    view = read(tiered, "a", "c", "b", "b", "d", None, as_of=times)["mirrored"]
    here, old, none = Status.PRESENT, Status.OUTSIDE_MAX_AGE, Status.NOT_FOUND
    assert view.row_status.tolist() == [here, here, here, old, old, none]
    assert view.columns["n"].as_python() == [3, 2, 4, None, None, None]
    assert view.columns["words"].as_python() == [["w"] * 3, ["w"] * 2, ["w"] * 4, None, None, None]
    assert view.event_timestamp_us.tolist() == [T, T + 3, T + 1, T + 1, T - 10**9, NO_TIMESTAMP]


def test_slow_second_question_marks_what_it_was_for(tiered: TieredStore, proxy: Any) -> None:
    proxy.delay = SLOW_S
    start = time.monotonic()
    view = tiered.reader([MIRRORED]).read({"user": ["a", "b"]}, T).views["mirrored"]
    assert TIMEOUT_S <= time.monotonic() - start < SLOW_S / 2
    assert view.row_status.tolist() == [Status.PRESENT, Status.UNAVAILABLE]


@pytest.fixture
def without_hot(tiered: TieredStore, warm: DynamoStore) -> TieredStore:
    """The rows of `tiered`, the Redis away."""
    with start_redis() as server:
        gone = RedisSettings(server.connection_string, "redis", "", None)
    return TieredStore(open_redis(gone, check=False), tiered._warm, TIMEOUT_S)


def test_while_the_hot_tier_is_away_the_warm_one_answers_and_marks(without_hot: TieredStore) -> None:
    found = read(without_hot, "a", "b")
    there, none, lost = Status.STALE, Status.NOT_FOUND, Status.UNAVAILABLE
    assert found["history"].row_status.tolist() == [Status.PRESENT, none]
    assert found["recent"].row_status.tolist() == [lost, lost]
    assert found["mirrored"].row_status.tolist() == [there, lost]  # Redis may know user `b`
    assert found["mirrored"].event_timestamp_us.tolist() == [T, NO_TIMESTAMP]
    for name, values in (("n", [3, None]), ("words", [["w"] * 3, None])):
        column = found["mirrored"].columns[name]
        assert column.as_python() == values
        assert column.status is not None
        assert column.status.tolist() == [there, lost]
    late = read(without_hot, "a", as_of=T + 60_000_001)["mirrored"]
    assert late.row_status.tolist() == [Status.OUTSIDE_MAX_AGE]
    assert without_hot.stats()["reads_without_hot"] == 2


def test_answer_without_the_hot_tier_takes_no_longer_than_both_times(tiered: TieredStore, redis_server: Any) -> None:
    with start_redis() as server:
        said = RedisSettings(server.connection_string, "redis", "", None)
        store = TieredStore(open_redis(said, timeout_s=0.3, check=False), tiered._warm, TIMEOUT_S)
        reader = store.reader([MIRRORED])
        reader.read({"user": ["a"]}, T)
        os.kill(server.pid, signal.SIGSTOP)
        try:
            took = []
            for _ in range(6):
                began = time.monotonic()
                assert reader.read({"user": ["a"]}, T).views["mirrored"].row_status.tolist() == [Status.STALE]
                took.append(time.monotonic() - began)
        finally:
            os.kill(server.pid, signal.SIGCONT)
    assert max(took[:3]) < 0.3 + TIMEOUT_S
    assert max(took[3:]) < 0.2, "Redis is left alone"


def test_hot_tier_that_is_away_is_an_error_where_nothing_else_has_an_answer(
    without_hot: TieredStore, proxy: Any
) -> None:
    with pytest.raises(OnlineStoreUnavailable, match="Redis at"):
        without_hot.reader([RECENT]).read({"user": ["a"]})
    with pytest.raises(OnlineStoreUnavailable, match="Redis at"):
        without_hot.ping()
    proxy.cut()
    with pytest.raises(OnlineStoreUnavailable, match="Redis at"):
        read(without_hot, "a")


def test_warm_tier_that_hangs_is_skipped_after_a_few_calls_and_asked_again_later(
    tiered: TieredStore, proxy: Any
) -> None:
    store = TieredStore(tiered._hot, tiered._warm, 0.25, warm_failures=3, warm_skip_s=1.5)
    reader = store.reader([HISTORY, RECENT])
    assert reader.read({"user": ["a"]}).views["history"].row_status.tolist() == [Status.PRESENT]
    proxy.delay = SLOW_S
    for _ in range(3):
        assert reader.read({"user": ["a"]}).views["history"].row_status.tolist() == [Status.UNAVAILABLE]
    sent, began = proxy.sent, time.monotonic()
    for _ in range(100):
        found = reader.read({"user": ["a"]}).views
        assert found["history"].row_status.tolist() == [Status.UNAVAILABLE]
        assert found["recent"].row_status.tolist() == [Status.PRESENT]
    assert time.monotonic() - began < 0.25
    stats = store.stats()["warm"]["calls"]
    assert (stats["state"], stats["failures"], stats["refused"]) == ("open", 3, 100)
    assert proxy.sent <= sent + 2  # the end of what was under way
    proxy.delay = 0.0
    deadline = time.monotonic() + 15
    while reader.read({"user": ["a"]}).views["history"].row_status.tolist() != [Status.PRESENT]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert store.stats()["warm"]["calls"]["state"] == "closed"
