"""How far the stream is: the clock is the least instant that any shard is complete to."""

from __future__ import annotations

import redis

from stores.online import Progress, ShardProgress, ViewProgress
from stores.redis.progress import RedisProgress, clock_key


def clock(client: redis.Redis) -> int | None:
    stored = client.get(clock_key("shop"))
    return None if stored is None else int(str(stored, "ascii"))


def test_nothing_is_known_before_the_first_word(client: redis.Redis) -> None:
    assert RedisProgress(client, "shop").read() == Progress()


def test_clock_stands_until_every_shard_of_every_view_has_spoken(client: redis.Redis) -> None:
    progress = RedisProgress(client, "shop")
    progress.begin({"clicks": 2, "buys": 1})
    progress.tell([ShardProgress("clicks", 0, 50, 60)])
    progress.tell([ShardProgress("buys", 0, 40, 40)])
    assert (clock(client), progress.read().complete) == (None, None)
    progress.tell([ShardProgress("clicks", 1, 45, 45)])
    assert clock(client) == progress.read().complete == 40


def test_a_slow_shard_holds_the_clock_though_another_is_far_ahead(client: redis.Redis) -> None:
    progress = RedisProgress(client, "shop")
    progress.begin({"clicks": 2})
    progress.tell([ShardProgress("clicks", 0, 10, 10), ShardProgress("clicks", 1, 10, 10)])
    for t in (100, 1_000, 1_772_366_400_000_001):
        progress.tell([ShardProgress("clicks", 0, t, t, events=1, rows=2)])
        assert clock(client) == 10
    assert progress.read().views["clicks"] == ViewProgress(2, 10, 1_772_366_400_000_001, events=3, rows=6)
    progress.tell([ShardProgress("clicks", 1, 1_772_366_400_000_000, 1_772_366_400_000_000)])
    assert clock(client) == 1_772_366_400_000_000


def test_views_and_shards_that_are_no_more_are_forgotten(client: redis.Redis) -> None:
    progress = RedisProgress(client, "shop")
    progress.begin({"clicks": 2, "gone": 1})
    progress.tell([ShardProgress("clicks", 0, 5, 5), ShardProgress("clicks", 1, 9, 9), ShardProgress("gone", 0, 1, 1)])
    assert clock(client) == 1
    progress.begin({"clicks": 1})
    assert progress.read() == Progress({"clicks": ViewProgress(1, 5, 5)}, 5)
    progress.tell([ShardProgress("clicks", 0, 7, 7)])
    assert clock(client) == 7


def test_projects_do_not_see_each_other(client: redis.Redis) -> None:
    RedisProgress(client, "shop").begin({"clicks": 1})
    assert RedisProgress(client, "other").read() == Progress()


def test_an_emptied_server_is_another_store_and_has_none_until_a_stream_begins(client: redis.Redis) -> None:
    progress = RedisProgress(client, "shop")
    assert progress.identity() == ""
    progress.begin({"clicks": 1})
    first = progress.identity()
    progress.begin({"clicks": 2})
    assert progress.identity() == first != ""
    client.flushall()
    assert progress.identity() == ""
    progress.tell([ShardProgress("clicks", 0, 50, 50)])
    assert clock(client) is None  # nobody knows yet who must speak
    progress.begin({"clicks": 2})
    assert progress.identity() not in ("", first)


def test_what_shards_hold_is_added_up_and_stays_until_they_tell_anew(client: redis.Redis) -> None:
    progress = RedisProgress(client, "shop")
    progress.begin({"clicks": 2})
    progress.tell([ShardProgress("clicks", n, 50, 50, held={"panes": 3, "bytes": 100}) for n in range(2)])
    progress.tell([ShardProgress("clicks", 1, 60, 60)])
    assert progress.read().views["clicks"].held == {"panes": 6, "bytes": 200}
    progress.begin({"clicks": 1})
    assert progress.read().views["clicks"].held == {"panes": 3, "bytes": 100}
