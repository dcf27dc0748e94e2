"""What every online store promises (`stores/online.py`): one suite for Redis, DynamoDB, and both tiers of a tiered one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import redis

from stores.cells.layout import ViewLayout
from stores.cells.reading import Status, ViewReading
from stores.cells.timestamps import NO_TIMESTAMP
from stores.dynamo.connection import DynamoSettings
from stores.dynamo.schema import create_table
from stores.dynamo.store import open_room as open_dynamo
from stores.online import FeatureRowsError, OnlineStore, OnlineStoreUnavailable, ShardProgress, WriteResult, open_room
from stores.redis.store import RedisSettings
from stores.redis.store import open_room as open_redis
from stores.tiered.store import TieredStore
from workspace.redis_server import RedisServer

T = 1_772_366_400_000_000  # 2026-03-01 12:00 UTC
PROFILE = ViewLayout("shop", "profile", (("user", "STRING"),), (("age", "INT32"),))
PAGES = ViewLayout("shop", "pages", (("user", "STRING"), ("page", "INT64")), (("seen", "BOOL"), ("at", "DOUBLE")))


@dataclass(frozen=True)
class Opened:
    """A store, and the views as it has them."""

    store: OnlineStore
    clicks: ViewLayout
    profile: ViewLayout
    pages: ViewLayout

    def write(self, *given: tuple[str, int, int]) -> WriteResult:
        """Write rows of `clicks`."""
        return self.store.writer(self.clicks).write(rows(*given), "event_timestamp")

    def read(self, *users: str | None, as_of: Any = None) -> ViewReading:
        """Read rows of `clicks`."""
        return self.store.reader([self.clicks]).read({"user": list(users)}, as_of).views["clicks"]

    def stored(self, user: str) -> tuple[int, int]:
        """Return the event time and `n` that the store holds for a user."""
        view = self.read(user)
        return int(view.event_timestamp_us[0]), int(view.columns["n"].values[0])


@pytest.fixture(scope="module")
def warm(aws: str) -> OnlineStore:
    """The DynamoDB; opening it takes longer than most tests."""
    return open_dynamo(DynamoSettings(endpoint_url=aws))


@pytest.fixture(params=["redis", "dynamo", "tiered hot", "tiered warm", "tiered both"])
def opened(request: Any, client: redis.Redis, redis_server: RedisServer, clicks: ViewLayout) -> Opened:
    """Each store, empty."""
    kind = request.param
    hot = open_redis(RedisSettings(redis_server.connection_string, "redis", "", None))
    if kind == "redis":
        return Opened(hot, clicks, PROFILE, PAGES)
    dynamo, warm = request.getfixturevalue("dynamo"), request.getfixturevalue("warm")
    for layout in (clicks, PROFILE, PAGES):
        create_table(dynamo, f"shop.{layout.name}")
    if kind == "dynamo":
        return Opened(warm, clicks, PROFILE, PAGES)
    tier = kind.split()[1]
    return Opened(TieredStore(hot, warm, 5.0), *(replace(one, tier=tier) for one in (clicks, PROFILE, PAGES)))


def rows(*given: tuple[str, int, int]) -> pa.Table:
    """Rows of `clicks` from (user, event time, n)."""
    return pa.table(
        {
            "user": pa.array([user for user, _, _ in given], pa.string()),
            "event_timestamp": pa.array([time for _, time, _ in given], pa.timestamp("us", tz="UTC")),
            "n": pa.array([n for _, _, n in given], pa.int64()),
            "rate": pa.array([n / 2 for _, _, n in given], pa.float64()),
            "last": pa.array([[float(n)] * (n % 3) for _, _, n in given], pa.list_(pa.float64())),
            "device": pa.array([f"d{n}" for _, _, n in given], pa.string()),
        }
    )


def test_what_was_written_is_read_back(opened: Opened) -> None:
    assert opened.write(("a", T, 1), ("b", T + 1, 2)) == WriteResult(2, 0)
    view = opened.read("b", "a", "b")
    assert view.columns["n"].as_python() == [2, 1, 2]
    assert view.columns["rate"].as_python() == [1.0, 0.5, 1.0]
    assert view.columns["last"].as_python() == [[2.0, 2.0], [1.0], [2.0, 2.0]]
    assert view.columns["device"].as_python() == ["d2", "d1", "d2"]
    assert view.event_timestamp_us.tolist() == [T + 1, T, T + 1]
    assert all((one.status == Status.PRESENT).all() for one in view.columns.values())


@pytest.mark.parametrize("step", [1, 999_999, 10**6, 10**7, 86_400_000_000], ids=["1us", "1s-1us", "1s", "10s", "1d"])
def test_older_row_never_overwrites_a_newer_one(opened: Opened, step: int) -> None:
    for time in (T, T + 7):  # a whole second, which is written without a fraction, and another
        user = f"a{time}"
        opened.write((user, time, 1))
        assert opened.write((user, time - step, 2)) == WriteResult(0, 1)
        assert opened.stored(user) == (time, 1)
        assert opened.write((user, time + step, 3)) == WriteResult(1, 0)
        assert opened.stored(user) == (time + step, 3)


@pytest.mark.parametrize(("first", "second"), [(-1, 0), (0, -1), (-(10**15), 10**16), (10**16, -(10**15))])
def test_times_long_ago_and_to_come_are_ordered(opened: Opened, first: int, second: int) -> None:
    opened.write(("a", first, 1))
    assert opened.write(("a", second, 2)).written == (second >= first)
    assert opened.stored("a")[0] == max(first, second)


def test_correction_with_an_equal_time_lands(opened: Opened) -> None:
    opened.write(("a", T, 1))
    assert opened.write(("a", T, 5)) == WriteResult(1, 0)
    assert opened.stored("a") == (T, 5)


#  stored:    a at T     b at T + 5     c nothing
#  written, each at T - 9, as what is known better of all times up to T + 3: a and c land, b stays
#
@pytest.mark.parametrize("after", [1, 0])
def test_rows_of_times_that_are_known_better_are_replaced_by_older_ones(opened: Opened, after: int) -> None:
    opened.write(("a", T, 1), ("b", T + 5, 2))
    better = rows(("a", T - 9, 3), ("b", T - 9, 4), ("c", T - 9, 5))
    result = opened.store.writer(opened.clicks).write_views({"clicks": better}, "event_timestamp", T + 3)
    assert result == WriteResult(2, 1)
    assert [opened.stored(user) for user in "abc"] == [(T - 9, 3), (T + 5, 2), (T - 9, 5)]
    opened.store.writer(opened.clicks).write_views({"clicks": rows(("b", T, 6))}, "event_timestamp", T + 4 + after)
    assert opened.stored("b") == ((T, 6) if after else (T + 5, 2))


def test_rows_of_several_views_that_are_known_better_replace_what_is_stored_each_for_itself(opened: Opened) -> None:
    writer = opened.store.writer(opened.clicks, opened.profile)

    def of(clicks: tuple[int, int], age: tuple[int, int]) -> dict[str, pa.Table]:
        time = pa.array([age[0]], pa.timestamp("us", tz="UTC"))
        profile = pa.table({"user": ["a"], "event_timestamp": time, "age": pa.array([age[1]], pa.int32())})
        return {"clicks": rows(("a", *clicks)), "profile": profile}

    writer.write_views(of((T + 9, 1), (T + 2, 2)), "event_timestamp")
    assert writer.write_views(of((T, 3), (T, 4)), "event_timestamp", T + 5) == WriteResult(1, 1)
    reading = opened.store.reader([opened.clicks, opened.profile]).read({"user": ["a"]}, None)
    assert reading.views["clicks"].columns["n"].as_python() == [1]
    assert reading.views["profile"].columns["age"].as_python() == [4]


def test_newest_row_of_a_table_wins_and_the_last_at_equal_times(opened: Opened) -> None:
    result = opened.write(("a", T + 1, 1), ("b", T, 2), ("a", T, 3), ("b", T, 4), ("a", T + 1, 5))
    assert result == WriteResult(written=2, stale=0, superseded=3)
    assert opened.stored("a") == (T + 1, 5)
    assert opened.stored("b") == (T, 4)


def test_more_rows_than_fit_a_request_are_written_and_read(opened: Opened) -> None:
    given = [(f"u{number}", T + number, number) for number in range(250)]
    assert opened.write(*given) == WriteResult(250, 0)
    assert opened.read(*(user for user, _, _ in given)).columns["n"].as_python() == list(range(250))


def race(opened: Opened, seed: int) -> None:
    """Write every time of a range once, in a shuffled order, one row to a call."""
    writer = opened.store.writer(opened.clicks)
    for offset in np.random.default_rng(seed).permutation(40).tolist():
        writer.write(rows(*((f"u{user}", T + offset, offset) for user in range(2))), "event_timestamp")


def test_newest_row_stays_whoever_writes_at_the_same_time(opened: Opened) -> None:
    writers = [threading.Thread(target=race, args=(opened, seed)) for seed in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [opened.stored(f"u{user}") for user in range(2)] == [(T + 39, 39)] * 2


def test_rows_of_an_entity_in_several_views_are_written_together(opened: Opened) -> None:
    writer = opened.store.writer(opened.clicks, opened.profile)
    ages = pa.table({"user": ["a", "c"], "age": [41, 42], "event_timestamp": rows(("a", T, 1), ("c", T + 9, 1))[1]})
    tables = {"clicks": rows(("a", T, 1), ("b", T + 5, 2), ("a", T + 1, 3)), "profile": ages}
    assert writer.write_views(tables, "event_timestamp") == WriteResult(4, 0, 1)
    assert writer.write_views({"clicks": rows(("a", T, 9)), "profile": ages}, "event_timestamp") == WriteResult(2, 1)
    found = opened.store.reader([opened.profile, opened.clicks]).read({"user": ["a", "b", "c"]})
    assert found.views["clicks"].columns["n"].as_python() == [3, 2, None]
    assert found.views["profile"].columns["age"].as_python() == [41, None, 42]


def test_views_of_several_entities_are_read_in_one_call(opened: Opened) -> None:
    time = pa.array([T], pa.timestamp("us", tz="UTC"))
    opened.write(("a", T, 3))
    opened.store.writer(opened.pages).write(
        pa.table({"page": [9], "user": ["a"], "seen": [True], "at": [0.5], "ts": time}), "ts"
    )
    again = replace(opened.clicks, alias="by_friend", key_columns=(("user", "friend"),), features=(("n", "INT64"),))
    found = opened.store.reader([opened.clicks, opened.pages, again]).read(
        {"user": ["a", "a", "b"], "page": [9, 8, 9], "friend": ["b", None, "a"]}
    )
    assert found.views["clicks"].columns["device"].as_python() == ["d3", "d3", None]
    assert found.views["pages"].columns["seen"].as_python() == [True, None, None]
    assert found.views["by_friend"].columns["n"].as_python() == [None, None, 3]
    assert list(found.views) == ["clicks", "pages", "by_friend"]


def test_every_missing_value_has_its_reason(opened: Opened) -> None:
    table = rows(("a", T, 1)).set_column(3, "rate", pa.array([None], pa.float64()))
    opened.store.writer(opened.clicks).write(table, "event_timestamp")
    wider = replace(opened.clicks, features=(*opened.clicks.features, ("new", "DOUBLE")))
    view = opened.store.reader([wider]).read({"user": ["a", "never", None]}, T).views["clicks"]
    here, null, none = Status.PRESENT, Status.NULL_VALUE, Status.NOT_FOUND
    statuses = [one.status.tolist() for one in view.columns.values() if one.status is not None]
    assert list(map(list, zip(*statuses, strict=True))) == [[here, null, here, here, none], [none] * 5, [none] * 5]
    assert view.row_status.tolist() == [here, none, none]
    assert view.event_timestamp_us.tolist() == [T, NO_TIMESTAMP, NO_TIMESTAMP]
    assert view.columns["last"].arrow().to_pylist() == [[1.0], None, None]


def test_row_holds_to_the_last_microsecond_of_its_ttl(opened: Opened) -> None:
    opened.write(("a", T, 7))
    ttl = opened.clicks.ttl_us
    view = opened.read("a", "a", "b", as_of=np.array([T + ttl, T + ttl + 1, T]))
    assert view.row_status.tolist() == [Status.PRESENT, Status.OUTSIDE_MAX_AGE, Status.NOT_FOUND]
    assert view.columns["n"].as_python() == [7, None, None]
    assert view.event_timestamp_us.tolist() == [T, T, NO_TIMESTAMP]
    assert opened.read("a").columns["n"].as_python() == [7]


def test_nothing_is_written_and_read_of_nobody(opened: Opened) -> None:
    assert opened.write() == WriteResult(0, 0)
    view = opened.read()
    assert [len(view.columns[name].values) for name in opened.clicks.feature_names] == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.drop_columns(["rate"]), r"clicks: the table has no column rate; have \["),
        (
            lambda table: table.set_column(0, "user", pa.array([None], pa.string())),
            r"row 0 has no value .* \(user\); drop",
        ),
        (
            lambda table: table.set_column(1, "event_timestamp", pa.array([None], pa.timestamp("us"))),
            "1 event times are null; drop such rows",
        ),
    ],
    ids=["absent feature", "null key", "null time"],
)
def test_table_that_cannot_be_written_is_refused(
    opened: Opened, change: Callable[[pa.Table], pa.Table], message: str
) -> None:
    with pytest.raises(FeatureRowsError, match=message):
        opened.store.writer(opened.clicks).write(change(rows(("a", T, 1))), "event_timestamp")
    assert opened.read("a").row_status.tolist() == [Status.NOT_FOUND]


def test_progress_is_complete_once_every_shard_has_spoken(opened: Opened) -> None:
    progress = opened.store.progress("shop")
    assert progress.identity() == ""
    progress.begin({"clicks": 2, "pages": 1})
    mark = progress.identity()
    progress.tell([ShardProgress("clicks", 0, 50, 70, 3, 2, {"bytes": 5})])
    assert progress.read().views["clicks"].complete is None
    progress.tell([ShardProgress("clicks", 1, 40, 90, 1, 1, {"bytes": 6}), ShardProgress("pages", 0, 45, 45)])
    found = progress.read()
    clicks = found.views["clicks"]
    assert (found.complete, clicks.complete, clicks.furthest) == (40, 40, 90)
    assert (clicks.shards, clicks.events, clicks.rows, clicks.held) == (2, 4, 3, {"bytes": 11})
    progress.tell([ShardProgress("clicks", 1, 60, 95)])
    assert (progress.read().complete, progress.read().views["clicks"].held) == (45, {"bytes": 11})
    progress.begin({"clicks": 1})
    assert (progress.identity(), list(progress.read().views), progress.read().complete) == (mark, ["clicks"], 50)


def test_what_was_announced_never_moves_back_and_outlives_the_shards(opened: Opened) -> None:
    progress = opened.store.progress("shop")
    assert progress.announced() == {}
    progress.begin({"clicks": 2, "pages": 1})
    progress.announce({"clicks": T + 1, "pages": T})
    progress.announce({"clicks": T, "pages": T + 7})
    progress.begin({"clicks": 1})
    assert opened.store.progress("shop").announced() == {"clicks": T + 1, "pages": T + 7}


def test_store_answers_when_asked(opened: Opened) -> None:
    opened.store.ping()


@pytest.mark.parametrize(
    ("room", "settings", "message"),
    [
        (
            "stores.redis.store",
            RedisSettings("127.0.0.1:1", "redis", "", None),
            r"Redis at 127\.0\.0\.1:1 does not answer",
        ),
        (
            "stores.dynamo.store",
            DynamoSettings("us-east-1", "http://127.0.0.1:1", total_max_retry_attempts=1),
            r"DynamoDB at http://127\.0\.0\.1:1 does not answer .*; set region or endpoint_url",
        ),
    ],
    ids=["redis", "dynamo"],
)
def test_store_that_is_away_is_named_with_what_to_do(
    aws: str, clicks: ViewLayout, room: str, settings: object, message: str
) -> None:
    with pytest.raises(OnlineStoreUnavailable, match=message):
        open_room(room, settings, 0.5, True)
    away = open_room(room, settings, 0.5, False)
    with pytest.raises(OnlineStoreUnavailable, match=message):
        away.reader([clicks]).read({"user": ["a"]})
    with pytest.raises(OnlineStoreUnavailable, match=message):
        away.writer(clicks).write(rows(("a", T, 1)), "event_timestamp")
    with pytest.raises(OnlineStoreUnavailable, match=message):
        away.progress("shop").identity()
