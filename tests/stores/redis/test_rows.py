"""Columnar writes and reads against a real Redis: monotonic, corrected at equal times, ttl to the microsecond."""

from __future__ import annotations

import multiprocessing as mp
import threading
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stores.cells.layout import ViewLayout
from stores.cells.reading import Status
from stores.cells.timestamps import NO_TIMESTAMP
from stores.online import FeatureRowsError, OnlineStoreUnavailable, WriteResult
from stores.redis.connection import connect
from stores.redis.reader import OnlineReader
from stores.redis.writer import OnlineWriter
from workspace.redis_server import start_redis

T = 1_772_366_400_000_000  # 2026-03-01 12:00 UTC


def rows(*given: tuple[str, int, int]) -> pa.Table:
    """Rows of `clicks` from (user, event time, n)."""
    return pa.table(
        {
            "user": [user for user, _, _ in given],
            "event_timestamp": pa.array([time for _, time, _ in given], pa.timestamp("us", tz="UTC")),
            "n": pa.array([n for _, _, n in given], pa.int64()),
            "rate": [n / 2 for _, _, n in given],
            "last": [[float(n)] * (n % 3) for _, _, n in given],
            "device": [f"d{n}" for _, _, n in given],
        }
    )


def write(client: redis.Redis, layout: ViewLayout, *given: tuple[str, int, int]) -> WriteResult:
    """Writes rows of `clicks`."""
    return OnlineWriter(client, layout).write(rows(*given), "event_timestamp")


def stored(client: redis.Redis, layout: ViewLayout, user: str) -> tuple[int, int]:
    """The event time and `n` that Redis holds for a user."""
    view = OnlineReader(client, [layout]).read({"user": [user]}).views["clicks"]
    return int(view.event_timestamp_us[0]), int(view.columns["n"].values[0])


def test_what_was_written_is_read_back(client: redis.Redis, clicks: ViewLayout) -> None:
    assert write(client, clicks, ("a", T, 1), ("b", T + 1, 2)) == WriteResult(2, 0)
    view = OnlineReader(client, [clicks]).read({"user": ["b", "a", "b"]}).views["clicks"]
    assert list(view.columns["n"].as_python()) == [2, 1, 2]
    assert list(view.columns["rate"].as_python()) == [1.0, 0.5, 1.0]
    assert list(view.columns["last"].as_python()) == [[2.0, 2.0], [1.0], [2.0, 2.0]]
    assert list(view.columns["device"].as_python()) == ["d2", "d1", "d2"]
    assert view.event_timestamp_us.tolist() == [T + 1, T, T + 1]
    assert all((one.status == Status.PRESENT).all() for one in view.columns.values())


@pytest.mark.parametrize("step", [1, 999_999, 10**6, 86_400_000_000], ids=["1us", "1s-1us", "1s", "1d"])
def test_older_row_never_overwrites_a_newer_one(client: redis.Redis, clicks: ViewLayout, step: int) -> None:
    write(client, clicks, ("a", T, 1))
    assert write(client, clicks, ("a", T - step, 2)) == WriteResult(0, 1)
    assert stored(client, clicks, "a") == (T, 1)
    assert write(client, clicks, ("a", T + step, 3)) == WriteResult(1, 0)
    assert stored(client, clicks, "a") == (T + step, 3)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=settings.default.max_examples * 3 // 2
)
@given(first=st.integers(-(10**15), 10**16), second=st.integers(-(10**15), 10**16))
def test_script_orders_any_two_times_as_integers(
    client: redis.Redis, clicks: ViewLayout, first: int, second: int
) -> None:
    client.flushdb()
    write(client, clicks, ("a", first, 1))
    assert write(client, clicks, ("a", second, 2)).written == (second >= first)
    assert stored(client, clicks, "a")[0] == max(first, second)


def test_correction_with_an_equal_time_lands(client: redis.Redis, clicks: ViewLayout) -> None:
    write(client, clicks, ("a", T, 1))
    assert write(client, clicks, ("a", T, 5)) == WriteResult(1, 0)
    assert stored(client, clicks, "a") == (T, 5)


def test_newest_row_of_a_table_wins_and_the_last_at_equal_times(client: redis.Redis, clicks: ViewLayout) -> None:
    result = write(client, clicks, ("a", T + 1, 1), ("b", T, 2), ("a", T, 3), ("b", T, 4), ("a", T + 1, 5))
    assert result == WriteResult(written=2, stale=0, superseded=3)
    assert stored(client, clicks, "a") == (T + 1, 5)
    assert stored(client, clicks, "b") == (T, 4)


def test_views_of_an_entity_are_written_together_as_they_are_alone(client: redis.Redis, clicks: ViewLayout) -> None:
    likes = ViewLayout("shop", "likes", clicks.join_keys, (("n", "INT64"), ("device", "STRING")))
    given = {
        "clicks": rows(("a", T, 1), ("b", T + 5, 2), ("a", T + 1, 3)),
        "likes": rows(("c", T, 4), ("b", T + 9, 5)),
    }
    together = OnlineWriter(client, clicks, likes)
    assert together.write_views(given, "event_timestamp") == WriteResult(4, 0, 1)
    found = {key: client.hgetall(key) for key in client.scan_iter()}
    client.flushdb()
    for layout in (clicks, likes):
        OnlineWriter(client, layout).write(given[layout.name], "event_timestamp")
    assert {key: client.hgetall(key) for key in client.scan_iter()} == found
    assert sorted(map(len, found.values())) == [3, 5, 8]


def test_view_that_is_stale_does_not_hold_back_the_others(client: redis.Redis, clicks: ViewLayout) -> None:
    likes = ViewLayout("shop", "likes", clicks.join_keys, (("n", "INT64"), ("device", "STRING")))
    together = OnlineWriter(client, clicks, likes)
    together.write_views({"clicks": rows(("a", T + 5, 1)), "likes": rows(("a", T, 1))}, "event_timestamp")
    result = together.write_views({"clicks": rows(("a", T, 2)), "likes": rows(("a", T + 1, 2))}, "event_timestamp")
    assert result == WriteResult(1, 1)
    assert stored(client, clicks, "a") == (T + 5, 1)
    view = OnlineReader(client, [likes]).read({"user": ["a"]}).views["likes"]
    assert (view.event_timestamp_us.tolist(), view.columns["device"].values) == ([T + 1], ["d2"])


def test_many_rows_are_written_and_read(client: redis.Redis, clicks: ViewLayout) -> None:
    given = [(f"u{i}", T + i, i) for i in range(20_000)]
    assert write(client, clicks, *given) == WriteResult(20_000, 0)
    view = OnlineReader(client, [clicks]).read({"user": [user for user, _, _ in given]}).views["clicks"]
    assert list(view.columns["n"].as_python()) == list(range(20_000))


def test_script_that_the_server_forgot_is_loaded_again(client: redis.Redis, clicks: ViewLayout) -> None:
    writer = OnlineWriter(client, clicks)
    for time in (T, T + 1):
        client.script_flush()
        assert writer.write(rows(("a", time, 1)), "event_timestamp").written == 1


def test_writer_survives_a_restart_of_the_server(clicks: ViewLayout) -> None:
    with start_redis() as server:
        client = connect(server.connection_string)
        writer = OnlineWriter(client, clicks)
        writer.write(rows(("a", T, 1)), "event_timestamp")
        port = server.port
    with start_redis(port):
        assert writer.write(rows(("a", T, 2)), "event_timestamp").written == 1
        assert stored(client, clicks, "a") == (T, 2)


def race(port: int, layout: ViewLayout, seed: int) -> None:
    """Writes every time of a range once, in a shuffled order, one row to a call."""
    with redis.Redis(port=port) as own:
        writer = OnlineWriter(own, layout)
        for offset in np.random.default_rng(seed).permutation(300).tolist():
            writer.write(rows(*((f"u{user}", T + offset, offset) for user in range(4))), "event_timestamp")


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_newest_row_stays_whoever_writes_at_the_same_time(
    client: redis.Redis, redis_server: Any, clicks: ViewLayout, kind: str
) -> None:
    start = threading.Thread if kind == "threads" else mp.get_context("fork").Process
    writers = [start(target=race, args=(redis_server.port, clicks, seed)) for seed in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    for user in range(4):
        assert stored(client, clicks, f"u{user}") == (T + 299, 299)


def test_row_holds_to_the_last_microsecond_of_its_ttl(client: redis.Redis, clicks: ViewLayout) -> None:
    write(client, clicks, ("a", T, 7))
    times = np.array([T + clicks.ttl_us, T + clicks.ttl_us + 1])
    view = OnlineReader(client, [clicks]).read({"user": ["a", "a"]}, times).views["clicks"]
    assert view.row_status.tolist() == [Status.PRESENT, Status.OUTSIDE_MAX_AGE]
    assert view.columns["n"].as_python() == [7, None]
    assert list(view.columns["last"].as_python()) == [[7.0], None]
    assert view.event_timestamp_us.tolist() == [T, T]


def test_without_a_time_no_row_is_too_old(client: redis.Redis, clicks: ViewLayout) -> None:
    write(client, clicks, ("a", 1, 7))
    assert stored(client, clicks, "a") == (1, 7)


def test_every_missing_value_has_its_reason(client: redis.Redis, clicks: ViewLayout) -> None:
    table = rows(("a", T, 1)).set_column(3, "rate", pa.array([None], pa.float64()))
    OnlineWriter(client, clicks).write(table, "event_timestamp")
    wider = ViewLayout("shop", "clicks", clicks.join_keys, (*clicks.features, ("new", "DOUBLE")), clicks.ttl_us)
    view = OnlineReader(client, [wider]).read({"user": ["a", "never", None]}, T).views["clicks"]
    here, null, none = Status.PRESENT, Status.NULL_VALUE, Status.NOT_FOUND
    statuses = [one.status.tolist() for one in view.columns.values() if one.status is not None]
    assert list(map(list, zip(*statuses, strict=True))) == [[here, null, here, here, none], [none] * 5, [none] * 5]
    assert view.row_status.tolist() == [here, none, none]
    assert view.event_timestamp_us.tolist() == [T, NO_TIMESTAMP, NO_TIMESTAMP]
    assert view.columns["rate"].arrow().to_pylist() == [None, None, None]
    assert view.columns["last"].arrow().to_pylist() == [[1.0], None, None]
    assert view.columns["n"].arrow().to_pylist() == [1, None, None]


def test_views_of_several_entities_are_read_in_one_round_trip(client: redis.Redis, clicks: ViewLayout) -> None:
    profile = ViewLayout("shop", "profile", clicks.join_keys, (("age", "INT32"),))
    pages = ViewLayout("shop", "pages", (("user", "STRING"), ("page", "INT64")), (("seen", "BOOL"), ("at", "DOUBLE")))
    time = pa.array([T], pa.timestamp("us", tz="UTC"))
    write(client, clicks, ("a", T, 3))
    OnlineWriter(client, profile).write(pa.table({"user": ["a"], "age": [41], "ts": time}), "ts")
    OnlineWriter(client, pages).write(
        pa.table({"page": [9], "user": ["a"], "seen": [True], "at": [0.5], "ts": time}), "ts"
    )
    calls = client.info("commandstats").get("cmdstat_hmget", {"calls": 0})["calls"]
    found = OnlineReader(client, [clicks, profile, pages]).read({"user": ["a", "a"], "page": [9, 8]})
    assert client.info("commandstats")["cmdstat_hmget"]["calls"] - calls == 3  # user a once, two pages
    numbers = [("clicks", "n"), ("profile", "age"), ("pages", "seen"), ("pages", "at")]
    columns = [found.views[view].columns[feature].as_python() for view, feature in numbers]
    assert columns == [[3, 3], [41, 41], [True, None], [0.5, None]]


def test_reading_nobody_gives_empty_columns(client: redis.Redis, clicks: ViewLayout) -> None:
    view = OnlineReader(client, [clicks]).read({"user": []}, T).views["clicks"]
    assert [len(view.columns[name].values) for name in clicks.feature_names] == [0, 0, 0, 0]


def test_empty_table_writes_nothing(client: redis.Redis, clicks: ViewLayout) -> None:
    assert write(client, clicks) == WriteResult(0, 0)
    assert client.dbsize() == 0


def test_key_expires_when_asked_to(client: redis.Redis, clicks: ViewLayout) -> None:
    OnlineWriter(client, clicks, key_ttl_seconds=100).write(rows(("a", T, 1)), "event_timestamp")
    assert 0 < client.ttl(next(client.scan_iter())) <= 100


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (rows(("a", T, 1)).drop_columns(["rate"]), r"clicks: the table has no column rate; have \["),
        (
            rows(("a", T, 1)).set_column(0, "user", pa.array([None], pa.string())),
            r"row 0 has no value .* \(user\); drop",
        ),
        (
            rows(("a", T, 1)).set_column(1, "event_timestamp", pa.array([None], pa.timestamp("us"))),
            "1 event times are null; drop such rows",
        ),
        (rows(("a", T, 1)).set_column(1, "event_timestamp", pa.array([T])), "cast it to timestamp"),
    ],
    ids=["absent feature", "null key", "null time", "time as a number"],
)
def test_table_that_cannot_be_written_is_refused(
    client: redis.Redis, clicks: ViewLayout, table: pa.Table, message: str
) -> None:
    with pytest.raises(FeatureRowsError, match=message):
        OnlineWriter(client, clicks).write(table, "event_timestamp")
    assert client.dbsize() == 0


def test_time_without_a_zone_is_utc_and_nanoseconds_are_cut(client: redis.Redis, clicks: ViewLayout) -> None:
    table = rows(("a", T, 1)).set_column(1, "event_timestamp", pa.array([T * 1000 + 999], pa.timestamp("ns")))
    OnlineWriter(client, clicks).write(table, "event_timestamp")
    assert stored(client, clicks, "a") == (T, 1)


def test_redis_that_is_away_is_named_with_what_to_do(clicks: ViewLayout) -> None:
    with start_redis() as server:
        reader = OnlineReader(connect(server.connection_string), [clicks])
        address = server.connection_string
    message = (
        rf"Redis at {address} does not answer \(.*\); start one with 'make redis' or set online_store\.connection_"
    )
    with pytest.raises(OnlineStoreUnavailable, match=message):
        reader.read({"user": ["a"]})
    with pytest.raises(OnlineStoreUnavailable, match=message):
        OnlineWriter(reader._reads._client, clicks).write(rows(("a", T, 1)), "event_timestamp")
    with pytest.raises(OnlineStoreUnavailable, match=message):
        connect(address)


def test_redis_without_memory_is_unavailable_for_it_may_get_some(client: redis.Redis, clicks: ViewLayout) -> None:
    write(client, clicks, ("a", T, 1))
    client.config_set("maxmemory", "1")
    try:
        with pytest.raises(OnlineStoreUnavailable, match=r"OOM|maxmemory"):
            write(client, clicks, ("a", T + 1, 2))
    finally:
        client.config_set("maxmemory", "0")
    write(client, clicks, ("a", T + 1, 2))
    assert stored(client, clicks, "a") == (T + 1, 2)


def test_write_that_redis_refuses_is_raised(client: redis.Redis, clicks: ViewLayout) -> None:
    write(client, clicks, ("a", T, 1))
    (key,) = client.keys()
    client.delete(key)
    client.set(key, "no hash")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        write(client, clicks, ("a", T + 1, 2))
