"""What a stream stores, and in which order: who comes after a kill must know of which times rows may lie there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pytest
import redis

from pipelines.stream.online_sink import ShardRows
from stores.cells.layout import ViewLayout
from stores.online import OnlineStoreUnavailable
from stores.redis.progress import RedisProgress
from stores.redis.store import RedisSettings, RedisStore
from stores.redis.store import open_room as open_redis
from stores.stream_writer import StreamWriter
from workspace.redis_server import RedisServer

T = 1_772_366_400_000_000  # 2026-03-01 12:00 UTC
VIEW = ViewLayout("shop", "clicks", (("user", "STRING"),), (("n", "INT64"),))


@dataclass
class Watched:
    """A store that says what it was asked to do, in order, and fails at rows when told to."""

    store: RedisStore
    fails: bool = False
    asked: list[str] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    def writer(self, *layouts: ViewLayout) -> Any:
        real, watched = self.store.writer(*layouts), self

        class Writer:
            def write_views(self, *arguments: Any) -> Any:
                watched.asked.append("write")
                if watched.fails:
                    raise OnlineStoreUnavailable("away")
                return real.write_views(*arguments)

        return Writer()

    def progress(self, project: str) -> Any:
        real, asked = self.store.progress(project), self.asked

        class Progress(RedisProgress):
            def announce(self, furthest: Any) -> None:
                asked.append("announce")
                real.announce(furthest)

            def tell(self, shards: Any) -> None:
                asked.append("tell")
                real.tell(shards)

        return Progress(self.store._client, project)


@pytest.fixture
def watched(client: redis.Redis, redis_server: RedisServer) -> Watched:
    return Watched(open_redis(RedisSettings(redis_server.connection_string, "redis", "", None)))


def given(t: int, n: int, furthest: int, replaces: int | None = None) -> ShardRows:
    times = pa.array([t], pa.timestamp("us", tz="UTC"))
    rows = pa.table({"user": ["a"], "event_timestamp": times, "n": pa.array([n], pa.int64())})
    return ShardRows("clicks", 0, 0, furthest, rows, 1, replaces=replaces)


def stored(store: Watched) -> tuple[int, int]:
    view = store.reader([VIEW]).read({"user": ["a"]}, None).views["clicks"]
    return int(view.event_timestamp_us[0]), int(view.columns["n"].values[0])


def test_how_far_rows_may_reach_is_known_before_they_are_stored(watched: Watched) -> None:
    writer = StreamWriter(watched, "shop", {"clicks": VIEW})
    watched.fails = True
    with pytest.raises(OnlineStoreUnavailable):
        writer.write([given(T, 1, T + 5)])
    assert watched.asked == ["announce", "write"]
    assert watched.store.progress("shop").announced() == {"clicks": T + 5}


def test_nothing_is_announced_twice_nor_without_rows(watched: Watched) -> None:
    writer = StreamWriter(watched, "shop", {"clicks": VIEW})
    writer.write([given(T, 1, T + 5), given(T, 1, T + 3)])
    writer.write([given(T + 5, 2, T + 5)])
    writer.write([ShardRows("clicks", 0, 0, T + 9, None, 0)])
    assert watched.asked == ["announce", "write", "tell", "write", "tell", "tell"]


def test_rows_that_are_known_better_replace_stored_ones_and_give_way_to_what_came_with_them(watched: Watched) -> None:
    writer = StreamWriter(watched, "shop", {"clicks": VIEW})
    writer.write([given(T + 9, 1, T + 9)])
    writer.write([given(T + 4, 2, T + 9)])
    assert stored(watched) == (T + 9, 1)
    writer.write([given(T + 4, 2, T + 9, replaces=T + 9)])
    assert stored(watched) == (T + 4, 2)
    writer.write([given(T + 5, 3, T + 20, replaces=T + 9), given(T + 20, 4, T + 20)])
    assert stored(watched) == (T + 20, 4)
