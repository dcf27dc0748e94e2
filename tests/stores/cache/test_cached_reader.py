"""What a cache in front of the store promises, against a real Redis; the clock is the test's."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest

from stores.cache.reader import CachedReader
from stores.cells.layout import ViewLayout
from stores.cells.reading import Reading, Status, ViewReading
from stores.online import OnlineStore, OnlineStoreUnavailable, ViewReader
from stores.redis.store import RedisSettings, open_room
from workspace.redis_server import RedisServer, start_redis

T = 1_772_366_400_000_000  # 2026-03-01 12:00 UTC
BOUND_US = 200_000
PROFILE = ViewLayout("shop", "profile", (("user", "STRING"),), (("age", "INT32"),))


class Counted:
    """A reader that passes on what it is asked, and notes it."""

    def __init__(self, reader: ViewReader, asked: list[dict[str, list[Any]]], gate: threading.Event) -> None:
        self.reader, self.asked, self.gate = reader, asked, gate

    def read(self, join_values: Mapping[str, Sequence[Any]], as_of_us: Any = None) -> Reading:
        self.asked.append({name: list(values) for name, values in join_values.items()})
        assert self.gate.wait(10)
        return self.reader.read(join_values, as_of_us)


class Cached:
    """A cache over a store, its clock, and what it asked the store."""

    def __init__(self, store: OnlineStore, *layouts: ViewLayout, max_bytes: int = 1_000_000) -> None:
        self.now, self.gate = 0.0, threading.Event()
        self.gate.set()
        self.asked: list[dict[str, list[Any]]] = []
        self.reader = CachedReader(
            lambda some: Counted(store.reader(some), self.asked, self.gate), layouts, max_bytes, lambda: self.now
        )

    def read(self, *users: str | None, as_of: Any = None) -> dict[str, ViewReading]:
        return dict(self.reader.read({"user": list(users)}, as_of).views)


@pytest.fixture
def store(redis_server: RedisServer, client: Any) -> OnlineStore:
    """An empty store."""
    return open_room(RedisSettings(redis_server.connection_string, "redis", "", None))


@pytest.fixture
def cached_clicks(clicks: ViewLayout) -> ViewLayout:
    """Clicks, cached."""
    return replace(clicks, cache_us=BOUND_US)


def write(store: OnlineStore, layout: ViewLayout, **given: int) -> None:
    """Write a row of `clicks` for each user."""
    users, n = list(given), list(given.values())
    table = pa.table(
        {
            "user": users,
            "event_timestamp": pa.array([T + one for one in n], pa.timestamp("us", tz="UTC")),
            "n": n,
            "rate": [one / 2 for one in n],
            "last": pa.array([[float(one)] * (one % 3) for one in n], pa.list_(pa.float64())),
            "device": [f"d{one}" for one in n],
        }
    )
    store.writer(layout).write(table, "event_timestamp")


def test_cached_rows_are_those_of_the_store_of_every_type(store: OnlineStore, cached_clicks: ViewLayout) -> None:
    write(store, cached_clicks, a=1, b=2, c=3)
    cached, users = Cached(store, cached_clicks), ["b", "a", None, "b", "never", "c"]
    straight = store.reader([cached_clicks]).read({"user": users}, T + 30_000_000).views["clicks"]
    for _ in range(2):
        view = cached.read(*users, as_of=T + 30_000_000)["clicks"]
        assert view.row_status.tolist() == straight.row_status.tolist()
        assert view.event_timestamp_us.tolist() == straight.event_timestamp_us.tolist()
        for name, column in straight.columns.items():
            assert view.columns[name].as_python() == column.as_python()
            assert view.columns[name].status.tolist() == column.status.tolist()  # type: ignore[union-attr]
    assert [one["0:user"] for one in cached.asked] == [["b", "a", "never", "c"]]
    stats = cached.reader.stats()
    assert (stats.misses, stats.hits, stats.entities, stats.hit_rate) == (4, 4, 4, 0.5)


def test_value_is_served_up_to_its_bound_and_read_again_after_it(store: OnlineStore, cached_clicks: ViewLayout) -> None:
    write(store, cached_clicks, a=1)
    cached = Cached(store, cached_clicks)
    cached.read("a", "never")
    write(store, cached_clicks, a=2, never=4)
    cached.now = BOUND_US / 1e6
    assert cached.read("a", "never")["clicks"].columns["n"].as_python() == [1, None]
    cached.now += 1e-6
    assert cached.read("a", "never")["clicks"].columns["n"].as_python() == [2, 4]


def test_views_keep_their_own_bounds_and_one_without_is_always_read(
    store: OnlineStore, cached_clicks: ViewLayout
) -> None:
    write(store, cached_clicks, a=1)
    views = [
        replace(cached_clicks, alias=name, cache_us=us) for name, us in (("long", 10**6), ("short", 10), ("none", 0))
    ]
    cached = Cached(store, *views)
    cached.read("a")
    write(store, cached_clicks, a=2)
    cached.now = 0.5
    assert {name: one.columns["n"].as_python() for name, one in cached.read("a").items()} == {
        "long": [1],
        "short": [2],
        "none": [2],
    }


def test_ttl_is_judged_at_the_time_of_the_request(store: OnlineStore, cached_clicks: ViewLayout) -> None:
    write(store, cached_clicks, a=1)
    cached = Cached(store, cached_clicks)
    last = T + 1 + cached_clicks.ttl_us
    seen = [cached.read("a", as_of=at)["clicks"] for at in (last + 1, last, last + 1)]
    assert [one.columns["rate"].as_python() for one in seen] == [[None], [0.5], [None]]
    assert seen[0].row_status.tolist() == [Status.OUTSIDE_MAX_AGE]
    assert len(cached.asked) == 1


def test_requests_at_the_same_time_make_one_read_of_a_key(store: OnlineStore, cached_clicks: ViewLayout) -> None:
    write(store, cached_clicks, a=1, b=2)
    cached = Cached(store, cached_clicks)
    cached.gate.clear()
    found: list[list[int]] = []
    threads = [
        threading.Thread(target=lambda: found.append(cached.read("a", "b")["clicks"].columns["n"].as_python()))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    while cached.reader.stats().joined < 14:  # seven threads, two keys
        threading.Event().wait(0.001)
    cached.gate.set()
    for thread in threads:
        thread.join(10)
    assert found == [[1, 2]] * 8
    assert [one["0:user"] for one in cached.asked] == [["a", "b"]]


def test_bytes_stay_below_the_bound_and_what_was_not_asked_for_longest_goes(
    store: OnlineStore, cached_clicks: ViewLayout
) -> None:
    write(store, cached_clicks, **{f"u{number}": number for number in range(500)})
    cached = Cached(store, cached_clicks, max_bytes=60_000)
    cached.read("u0")
    for number in range(1, 500):
        values = cached.read("u0", f"u{number}")["clicks"].columns["n"].as_python()
        assert values == [0, number]
        assert cached.reader.stats().bytes <= 60_000
    assert sum("u0" in one["0:user"] for one in cached.asked) == 1
    assert cached.reader.stats().evictions > 200
    everything = cached.read(*(f"u{number}" for number in range(500)))["clicks"]
    assert everything.columns["n"].as_python() == list(range(500))


def test_no_value_past_its_bound_while_the_store_is_away(cached_clicks: ViewLayout) -> None:
    with start_redis() as server:
        store = open_room(RedisSettings(server.connection_string, "redis", "", None))
        write(store, cached_clicks, a=1)
        cached = Cached(store, cached_clicks)
        cached.read("a")
    assert cached.read("a")["clicks"].columns["n"].as_python() == [1]
    assert cached.read("a", "b")["clicks"].row_status.tolist() == [Status.PRESENT, Status.UNAVAILABLE]
    cached.now = BOUND_US / 1e6 + 1e-6
    with pytest.raises(OnlineStoreUnavailable):
        cached.read("a")


def test_stale_value_is_served_and_marked_as_long_as_the_view_says(cached_clicks: ViewLayout) -> None:
    layout = replace(cached_clicks, cache_stale_us=5_000_000)
    with start_redis() as server:
        store = open_room(RedisSettings(server.connection_string, "redis", "", None))
        write(store, layout, a=1)
        cached = Cached(store, layout, PROFILE)
        cached.read("a")
    cached.now = 5.0
    found = cached.read("a", "b")
    assert found["clicks"].row_status.tolist() == [Status.STALE, Status.UNAVAILABLE]
    assert found["clicks"].columns["n"].as_python() == [1, None]
    assert found["profile"].row_status.tolist() == [Status.UNAVAILABLE] * 2
    assert cached.reader.stats().stale == 1
    cached.now = 5.0 + 1e-6
    with pytest.raises(OnlineStoreUnavailable):
        cached.read("a", "b")
