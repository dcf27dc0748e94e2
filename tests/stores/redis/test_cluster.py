"""Writes and reads against a Redis Cluster of two nodes, while slots move from one to the other."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pytest
from redis import Redis
from redis.cluster import RedisCluster

from stores.cells.layout import ViewLayout
from stores.online import OnlineStoreUnavailable, ShardProgress, WriteResult
from stores.redis.connection import connect
from stores.redis.progress import RedisProgress
from stores.redis.reader import OnlineReader
from stores.redis.writer import OnlineWriter
from workspace.redis_server import RedisServer, start_redis
from workspace.redis_topologies import SLOTS, start_cluster

HALF = SLOTS // 2
T = 1_772_366_400_000_000


@pytest.fixture(scope="module")
def nodes() -> Iterator[tuple[RedisServer, RedisServer]]:
    """Two nodes that know each other, half of the slots each."""
    with start_cluster(primaries=2, replicas=0) as group:
        first, second = group.primaries
        yield first, second


@pytest.fixture
def cluster(nodes: tuple[RedisServer, RedisServer]) -> Iterator[RedisCluster]:
    """A client of the emptied cluster."""
    client = connect(nodes[0].connection_string, "redis_cluster")
    assert isinstance(client, RedisCluster)
    client.flushall(target_nodes=RedisCluster.PRIMARIES)
    yield client
    client.close()


def rows(count: int, when: int, n: int) -> pa.Table:
    """One row for each of many users."""
    return pa.table(
        {
            "user": [f"u{i}" for i in range(count)],
            "event_timestamp": pa.array([when] * count, pa.timestamp("us", tz="UTC")),
            "n": [n + i for i in range(count)],
            "rate": [0.5] * count,
            "last": [[1.0]] * count,
            "device": ["x"] * count,
        }
    )


def test_rows_are_written_to_and_read_from_all_nodes(cluster: RedisCluster, clicks: ViewLayout) -> None:
    writer = OnlineWriter(cluster, clicks)
    assert writer.write(rows(500, T, 0), "event_timestamp") == WriteResult(500, 0)
    assert writer.write(rows(500, T - 1, 9), "event_timestamp") == WriteResult(0, 500)
    view = OnlineReader(cluster, [clicks]).read({"user": [f"u{i}" for i in range(500)]}).views["clicks"]
    assert list(view.columns["n"].as_python()) == list(range(500))
    sizes = [cluster.get_redis_connection(node).dbsize() for node in cluster.get_primaries()]
    assert sum(sizes) == 500
    assert min(sizes) > 100


def test_moved_slot_is_found_again(
    cluster: RedisCluster, nodes: tuple[RedisServer, RedisServer], clicks: ViewLayout
) -> None:
    reader, writer = OnlineReader(cluster, [clicks]), OnlineWriter(cluster, clicks)
    writer.write(rows(1, T, 5), "event_timestamp")
    (key,) = cluster.keys(target_nodes=RedisCluster.PRIMARIES)
    slot = cluster.keyslot(key)
    homes = [Redis(port=node.port, decode_responses=True) for node in nodes]
    ids = [str(home.execute_command("CLUSTER MYID")) for home in homes]
    source = 0 if slot < HALF else 1
    target = 1 - source
    homes[target].execute_command("CLUSTER SETSLOT", slot, "IMPORTING", ids[source])
    homes[source].execute_command("CLUSTER SETSLOT", slot, "MIGRATING", ids[target])
    homes[source].execute_command("MIGRATE", "127.0.0.1", nodes[target].port, key, 0, 5000)
    try:
        # ASK: the slot is on its way, the key is there already
        assert reader.read({"user": ["u0"]}).views["clicks"].columns["n"].as_python() == [5]
        assert writer.write(rows(1, T + 1, 6), "event_timestamp").written == 1
    finally:
        for home in (homes[target], homes[source]):
            home.execute_command("CLUSTER SETSLOT", slot, "NODE", ids[target])
    # MOVED: the slot has arrived, the client still looks at its old home
    assert reader.read({"user": ["u0"]}).views["clicks"].columns["n"].as_python() == [6]
    assert writer.write(rows(1, T + 2, 7), "event_timestamp").written == 1
    for home in homes:
        home.close()


def test_cluster_that_is_away_is_named(clicks: ViewLayout) -> None:
    with start_redis() as gone:
        address = gone.connection_string
    with pytest.raises(OnlineStoreUnavailable, match=rf"Redis at {address} does not answer"):
        connect(address, "redis_cluster")


def test_a_stream_says_how_far_it_is(cluster: RedisCluster) -> None:
    progress = RedisProgress(cluster, "shop")
    progress.begin({"clicks": 2})
    assert progress.identity()
    progress.announce({"clicks": 70})
    progress.tell([ShardProgress("clicks", n, 50 + n, 70, 3, 2, {"bytes": 5}) for n in range(2)])
    found = progress.read()
    assert (found.complete, found.views["clicks"].events, found.views["clicks"].rows) == (50, 6, 4)
    assert (found.views["clicks"].held, progress.announced()) == ({"bytes": 10}, {"clicks": 70})
