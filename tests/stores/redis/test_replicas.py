"""Reads by replicas: the primary is spared, what is read is never older than the bound, and writes may wait for replicas."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pytest
import redis

from stores.cells.layout import ViewLayout
from stores.online import OnlineStoreUnavailable, find_room, open_room
from stores.redis_online import MillraceRedisOnlineStoreConfig
from workspace.redis_server import HOST, RedisServer, start_redis
from workspace.redis_topologies import MASTER, RedisGroup, move_slots, start_cluster, start_sentinels

T = 1_772_366_400_000_000  # 2026-03-01 12:00 UTC
KEYS = (("user", "STRING"),)
VIEW = ViewLayout("shop", "counts", KEYS, (("n", "INT64"),))
AT_ONCE = ("--repl-diskless-sync-delay", "0")  # Redis 7 waits 5 s for more replicas before it copies to the first
USERS = [f"u{i}" for i in range(60)]


def rows(n: int, users: list[str] = USERS) -> pa.Table:
    """A row of each user, all with the same number, which is also their time."""
    times = pa.array([T + n] * len(users), pa.timestamp("us", tz="UTC"))
    return pa.table({"user": users, "event_timestamp": times, "n": [n] * len(users)})


def opened(timeout_s: float = 2.0, **said: Any) -> Any:
    """Open a store by what feature_store.yaml says."""
    return open_room(*find_room(MillraceRedisOnlineStoreConfig(**said)), timeout_s, True)


def read(reader: Any, users: list[str] = USERS) -> list[int | None]:
    """The numbers of users."""
    found: list[int | None] = reader.read({"user": users}).views["counts"].columns["n"].as_python()
    return found


@contextmanager
def beside() -> Iterator[tuple[dict[str, Any], list[RedisServer], list[RedisServer]]]:
    """A single server with two replicas, which a list names."""
    with start_redis(options=AT_ONCE) as primary, copy_of(primary) as first, copy_of(primary) as second:
        listed = f"{first.connection_string},{second.connection_string}"
        yield {"connection_string": primary.connection_string, "replicas": listed}, [primary], [first, second]


@contextmanager
def copy_of(primary: RedisServer) -> Iterator[RedisServer]:
    """A replica that is up."""
    with start_redis(options=("--replicaof", HOST, str(primary.port))) as replica:
        wait_for(lambda: info(replica)["master_link_status"] == "up")
        yield replica


@contextmanager
def sentinel() -> Iterator[tuple[dict[str, Any], list[RedisServer], list[RedisServer]]]:
    with start_sentinels(replicas=2) as group:
        yield said_of(group), group.primaries, group.replicas


@contextmanager
def cluster() -> Iterator[tuple[dict[str, Any], list[RedisServer], list[RedisServer]]]:
    with start_cluster() as group:
        yield said_of(group), group.primaries, group.replicas


def said_of(group: RedisGroup) -> dict[str, Any]:
    return {
        "connection_string": group.connection_string,
        "redis_type": group.redis_type,
        "sentinel_master": MASTER,
    }


def info(server: RedisServer) -> Any:
    with redis.Redis(port=server.port) as client:
        return client.info("replication")


def wait_for(until: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait for what servers do in their own time."""
    deadline = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def calls(servers: list[RedisServer], *commands: str) -> int:
    """How often servers ran commands, scripts' included."""
    total = 0
    for server in servers:
        with redis.Redis(port=server.port) as client:
            said: Any = client.info("commandstats")
            total += sum(int(said.get(f"cmdstat_{name}", {"calls": 0})["calls"]) for name in commands)
    return total


@contextmanager
def written(store: Any, pause_s: float = 0.002) -> Iterator[list[tuple[float, int]]]:
    """Write all the time, a higher number each time; gives when each was acknowledged."""
    writer, acknowledged, stop = store.writer(VIEW), [(0.0, 0)], threading.Event()
    failures: list[BaseException] = []

    def write() -> None:
        n = 1
        try:
            while not stop.wait(pause_s):
                writer.write(rows(n), "event_timestamp")
                acknowledged.append((time.monotonic(), n))
                n += 1
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        wait_for(lambda: len(acknowledged) > 1 or failures)
        yield acknowledged
    finally:
        stop.set()
        thread.join()
    assert failures == []


@pytest.mark.parametrize("topology", [beside, sentinel, cluster], ids=lambda one: one.__name__)
def test_primary_spends_nothing_on_reads_while_it_is_written_to(topology: Any) -> None:
    with topology() as (said, primaries, replicas):
        store = opened(**said, read_from="replica", max_replica_lag_ms=2000)
        reader = store.reader([VIEW])
        with written(opened(**said, read_from="replica")) as acknowledged:
            before = calls(primaries, "hmget", "hgetall"), calls(replicas, "hmget", "hgetall")
            for _ in range(200):
                assert None not in read(reader)
            assert len(acknowledged) > 10
        assert calls(primaries, "hmget", "hgetall") == before[0]
        assert calls(replicas, "hmget", "hgetall") - before[1] >= 200 * len(USERS)
        stats = store.stats()
        assert (stats["by_replicas"], stats["replicas_too_old"], stats["retries"]) == (200, 0, 0)
        assert len(stats["replica_age_ms"]) == len(replicas)


#  acknowledged:  1   2   3   4   5   6   7
#                         |<-- bound -->|
#  read here, the number is at least 3 --^, whatever becomes of the replica meanwhile
#
@pytest.mark.parametrize("topology", [beside, cluster], ids=lambda one: one.__name__)
def test_what_is_read_is_never_older_than_the_bound(topology: Any) -> None:
    bound = 0.2
    with topology() as (said, _, replicas):
        store = opened(**said, read_from="replica", max_replica_lag_ms=bound * 1000)
        reader = store.reader([VIEW])
        with written(opened(**said, read_from="replica")) as acknowledged:
            read(reader)

            def check(seconds: float) -> None:
                until = time.monotonic() + seconds
                while time.monotonic() < until:
                    began = time.monotonic()
                    had = max(n for at, n in acknowledged if at <= began - bound)
                    assert min(n or 0 for n in read(reader)) >= had

            check(0.5)
            for replica in replicas:  # they answer, and hear nothing any more
                cut_off(replica)
            check(1.0)
            too_old = store.stats()["replicas_too_old"]
            assert too_old > 0
            for replica in replicas:
                put_back(replica)
            by_replicas = store.stats()["by_replicas"]
            wait_for(lambda: read(reader) and store.stats()["by_replicas"] > by_replicas + 5)
            check(0.3)


def cut_off(replica: RedisServer) -> None:
    """Let a replica lose its primary's changes; it goes on answering."""
    with redis.Redis(port=replica.port) as client:
        asked: Any = client
        asked.config_set("repl-timeout", 1000)
        _BACK[replica.port] = info(replica)["master_port"]
        if asked.info("cluster")["cluster_enabled"]:
            asked.config_set("masterauth", "wrong")
            asked.config_set("masteruser", "nobody")
            with redis.Redis(port=_BACK[replica.port]) as primary:
                primary.client_kill_filter(_type="slave")
        else:
            asked.replicaof(HOST, 1)


def put_back(replica: RedisServer) -> None:
    """Let it hear again."""
    with redis.Redis(port=replica.port) as client:
        asked: Any = client
        if asked.info("cluster")["cluster_enabled"]:
            asked.config_set("masteruser", "")
            asked.config_set("masterauth", "")
        else:
            asked.replicaof(HOST, _BACK[replica.port])


_BACK: dict[int, int] = {}


def test_replica_that_hangs_costs_one_timeout_and_is_read_again_when_it_is_well() -> None:
    with start_redis(options=AT_ONCE) as primary, copy_of(primary) as replica:
        store = opened(
            0.3, connection_string=primary.connection_string, replicas=replica.connection_string, read_from="replica"
        )
        store.writer(VIEW).write(rows(1), "event_timestamp")
        reader = store.reader([VIEW])
        assert read(reader) == [1] * len(USERS)
        os.kill(replica.pid, signal.SIGSTOP)
        try:
            began = time.monotonic()
            assert read(reader) == [1] * len(USERS)
            assert 0.3 <= time.monotonic() - began < 0.9
            began = time.monotonic()
            for _ in range(20):
                assert read(reader) == [1] * len(USERS)
            assert time.monotonic() - began < 0.3
            stats = store.stats()
            assert (stats["timeouts"], stats["failed"], stats["breaker"]["state"]) == (1, 0, "closed")
        finally:
            os.kill(replica.pid, signal.SIGCONT)
        before = store.stats()["by_replicas"]
        wait_for(lambda: read(reader) and store.stats()["by_replicas"] > before)


def test_primary_that_became_a_replica_says_nothing_of_the_age_of_others() -> None:
    with start_redis(options=AT_ONCE) as primary, copy_of(primary) as replica, start_redis() as other:
        said = {"connection_string": primary.connection_string, "replicas": replica.connection_string}
        store = opened(**said, read_from="replica", max_replica_lag_ms=100)
        store.writer(VIEW).write(rows(1), "event_timestamp")
        reader = store.reader([VIEW])
        assert read(reader) == [1] * len(USERS)
        with redis.Redis(port=primary.port) as client:
            asked: Any = client
            asked.replicaof(HOST, other.port)  # both follow a third one now, of which nothing is known
        time.sleep(0.3)
        before = store.stats()["by_replicas"]
        for _ in range(20):
            read(reader)
            time.sleep(0.02)
        assert store.stats()["by_replicas"] == before


def test_readers_of_replicas_follow_a_failover() -> None:
    with start_sentinels(replicas=2) as group:
        store = opened(**said_of(group), read_from="replica")
        store.writer(VIEW).write(rows(1), "event_timestamp")
        reader = store.reader([VIEW])
        wait_for(lambda: read(reader) and len(store.stats()["replica_age_ms"]) == 2)
        host, _, port = group.connection_string.rpartition(":")
        with redis.Redis(host, int(port)) as client:
            asked: Any = client
            asked.execute_command("SENTINEL", "FAILOVER", MASTER)
            old = group.primaries[0].port
            wait_for(lambda: int(asked.sentinel_get_master_addr_by_name(MASTER)[1]) != old)
        writer = opened(**said_of(group), wait_replicas=1).writer(VIEW)
        assert writer.write(rows(2), "event_timestamp").written == len(USERS)

        def follows() -> bool:
            with contextlib.suppress(OnlineStoreUnavailable):
                return read(reader) == [2] * len(USERS)
            return False

        began = time.monotonic()
        wait_for(follows)
        assert time.monotonic() - began < 3.0, (
            "also while the old primary, which answers, does not know that it is none"
        )
        by_replicas = store.stats()["by_replicas"]
        wait_for(lambda: read(reader) == [2] * len(USERS) and store.stats()["by_replicas"] > by_replicas + 20)


def test_looking_at_replicas_ends_with_the_store_and_when_nobody_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    def watching() -> int:
        return sum(thread.name == "redis-replicas" for thread in threading.enumerate())

    monkeypatch.setattr("stores.redis.replicas.IDLE_S", 0.1)
    wait_for(lambda: watching() == 0)  # of the tests before
    monkeypatch.setattr("stores.redis.replicas.IDLE_S", 60.0)
    with start_redis(options=AT_ONCE) as primary, copy_of(primary) as replica:
        said = {"connection_string": primary.connection_string, "replicas": replica.connection_string}
        store = opened(**said, read_from="replica", max_replica_lag_ms=50)
        assert watching() == 0
        reader = store.reader([VIEW])
        read(reader)
        assert watching() == 1
        monkeypatch.setattr("stores.redis.replicas.IDLE_S", 0.1)
        wait_for(lambda: watching() == 0)
        monkeypatch.setattr("stores.redis.replicas.IDLE_S", 60.0)
        read(reader)
        assert watching() == 1
        del store, reader
        wait_for(lambda: watching() == 0)


def test_rows_of_slots_that_move_are_found_by_who_reads_replicas() -> None:
    with start_cluster() as group:
        store = opened(**said_of(group), read_from="replica", max_replica_lag_ms=5000)
        store.writer(VIEW).write(rows(1), "event_timestamp")
        reader = store.reader([VIEW])
        failures: list[BaseException] = []
        stop = threading.Event()

        def keep_reading() -> None:
            try:
                while not stop.is_set():
                    assert read(reader) == [1] * len(USERS)
            except BaseException as error:
                failures.append(error)

        thread = threading.Thread(target=keep_reading)
        thread.start()
        try:
            first, second, third = group.primaries
            assert move_slots(first, second, [third], range(1500)) > 0
        finally:
            stop.set()
            thread.join()
        assert failures == []
        assert read(store.reader([VIEW]), ["nobody"]) == [None]
        assert store.stats()["asked_again"] > 0


def test_writes_that_wait_for_replicas_fail_where_these_do_not_confirm() -> None:
    with start_redis(options=AT_ONCE) as primary, copy_of(primary) as replica:
        store = opened(connection_string=primary.connection_string, wait_replicas=1, wait_timeout_ms=200)
        writer = store.writer(VIEW)
        assert writer.write(rows(1), "event_timestamp").written == len(USERS)
        with redis.Redis(port=replica.port) as copy:
            assert copy.dbsize() == len(USERS)
        os.kill(replica.pid, signal.SIGSTOP)
        try:
            with pytest.raises(
                OnlineStoreUnavailable, match=r"0 of the 1 replicas .* Start the replicas, or ask for fewer"
            ):
                writer.write(rows(2), "event_timestamp")
        finally:
            os.kill(replica.pid, signal.SIGCONT)
        assert writer.write(rows(2), "event_timestamp").written == len(USERS)
        with pytest.raises(OnlineStoreUnavailable, match="1 of the 2 replicas"):
            opened(connection_string=primary.connection_string, wait_replicas=2, wait_timeout_ms=50).writer(VIEW).write(
                rows(3), "event_timestamp"
            )


def test_writes_to_a_cluster_wait_for_a_replica_of_each_primary() -> None:
    with start_cluster() as group:
        store = opened(**said_of(group), wait_replicas=1, wait_timeout_ms=300)
        store.writer(VIEW).write(rows(1), "event_timestamp")
        os.kill(group.replicas[1].pid, signal.SIGSTOP)
        try:
            with pytest.raises(OnlineStoreUnavailable, match="0 of the 1 replicas"):
                store.writer(VIEW).write(rows(2), "event_timestamp")
        finally:
            os.kill(group.replicas[1].pid, signal.SIGCONT)
        assert store.writer(VIEW).write(rows(3), "event_timestamp").written == len(USERS)
