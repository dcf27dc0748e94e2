"""A cache in front of two tiers gives what they give, and keeps nothing that may not be the newest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest
import redis

from stores.cache.reader import CachedReader
from stores.cells.layout import ViewLayout
from stores.cells.reading import Reading, Status
from stores.dynamo.connection import DynamoSettings
from stores.dynamo.schema import create_table
from stores.dynamo.store import open_room as open_dynamo
from stores.online import ViewReader
from stores.redis.store import RedisSettings
from stores.redis.store import open_room as open_redis
from stores.tiered.store import TieredStore
from workspace.redis_server import RedisServer, start_redis

T = 1_772_366_400_000_000  # 2026-03-01 12:00 UTC
MINUTE = 60_000_000
HOT, WARM, BOTH = (
    ViewLayout("shop", f"cached_{tier}", (("user", "STRING"),), (("n", "INT64"),), MINUTE, tier=tier, cache_us=10**6)
    for tier in ("hot", "warm", "both")
)
VIEWS = (HOT, WARM, BOTH)


@pytest.fixture
def tiers(aws: str, dynamo: Any, client: redis.Redis, redis_server: RedisServer) -> TieredStore:
    """Both stores; each view has a row of user `a`."""
    for layout in (WARM, BOTH):
        create_table(dynamo, f"shop.{layout.name}")
    hot = open_redis(RedisSettings(redis_server.connection_string, "redis", "", None))
    store = TieredStore(hot, open_dynamo(DynamoSettings(endpoint_url=aws)), 5.0)
    for number, layout in enumerate(VIEWS):
        write(store, layout, "a", T, number + 1)
    return store


def write(store: Any, layout: ViewLayout, user: str, at: int, n: int) -> None:
    times = pa.array([at], pa.timestamp("us", "UTC"))
    store.writer(layout).write(pa.table({"user": [user], "event_timestamp": times, "n": [n]}), "event_timestamp")


class Asked:
    """Opens readers of a store that may be exchanged, and counts what is read."""

    def __init__(self, store: TieredStore) -> None:
        self.store, self.reads = store, 0

    def reader(self, layouts: Sequence[ViewLayout]) -> ViewReader:
        outer = self

        class Reader:
            def read(self, join_values: Any, as_of_us: Any = None) -> Reading:
                outer.reads += 1
                return outer.store.reader(layouts).read(join_values, as_of_us)

        return Reader()


def values(reader: ViewReader, *users: str, as_of: int = T) -> list[tuple[list[int | None], list[int]]]:
    views = reader.read({"user": list(users)}, as_of).views.values()
    return [(view.columns["n"].as_python(), view.row_status.tolist()) for view in views]


def test_rows_of_every_tier_are_kept_and_are_those_of_the_tiers(tiers: TieredStore) -> None:
    asked = Asked(tiers)
    cached = CachedReader(asked.reader, VIEWS, 1_000_000, lambda: 0.0)
    straight = values(tiers.reader(VIEWS), "a", "b")
    assert [values(cached, "a", "b"), values(cached, "b", "a")[0][0]] == [straight, [None, 1]]
    assert [one for one, _ in straight] == [[1, None], [2, None], [3, None]]
    assert (asked.reads, cached.stats().hit_rate) == (1, 0.5)


def test_row_that_is_too_old_in_the_hot_tier_is_still_looked_for_in_the_warm_one(tiers: TieredStore) -> None:
    write(tiers._warm, BOTH, "a", T + 2 * MINUTE, 9)
    cached = CachedReader(tiers.reader, VIEWS, 1_000_000, lambda: 0.0)
    later, old = T + 2 * MINUTE, Status.OUTSIDE_MAX_AGE
    for _ in range(2):
        assert values(cached, "a", as_of=later) == [([None], [old]), ([None], [old]), ([9], [Status.PRESENT])]
        assert values(cached, "a", as_of=later) == values(tiers.reader(VIEWS), "a", as_of=later)
    assert values(cached, "a")[2] == ([3], [Status.PRESENT])


def test_what_the_warm_tier_said_instead_of_the_hot_one_is_not_kept(tiers: TieredStore) -> None:
    with start_redis() as server:
        gone = RedisSettings(server.connection_string, "redis", "", None)
    asked = Asked(TieredStore(open_redis(gone, check=False), tiers._warm, 5.0))
    cached = CachedReader(asked.reader, [BOTH], 1_000_000, lambda: 0.0)
    assert values(cached, "a") == [([3], [Status.STALE])]
    assert cached.stats().entities == 0
    asked.store = tiers
    write(tiers._hot, BOTH, "a", T + 1, 4)
    assert values(cached, "a") == [([4], [Status.PRESENT])]
    assert cached.stats().entities == 1
