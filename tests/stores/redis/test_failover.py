"""A primary is killed in the middle of its traffic: what a replica had acknowledged is there, and all goes on without a restart of readers and writers."""

from __future__ import annotations

import threading
import time
from contextlib import AbstractContextManager
from typing import Any

import pyarrow as pa
import pytest

from stores.cells.layout import ViewLayout
from stores.online import OnlineStoreUnavailable, find_room, open_room
from stores.redis_online import MillraceRedisOnlineStoreConfig
from workspace.redis_topologies import MASTER, RedisGroup, start_cluster, start_sentinels

VIEW = ViewLayout("shop", "counts", (("user", "STRING"),), (("n", "INT64"),))
ROWS = 30


def opened(group: RedisGroup, **more: Any) -> Any:
    """Open a store of a group."""
    said = {"connection_string": group.connection_string, "redis_type": group.redis_type, "sentinel_master": MASTER}
    return open_room(*find_room(MillraceRedisOnlineStoreConfig(**said, **more)), 1.0, True)


def rows(batch: int) -> pa.Table:
    """New entities."""
    times = pa.array([1] * ROWS, pa.timestamp("us", tz="UTC"))
    return pa.table({"user": users(batch), "event_timestamp": times, "n": [batch] * ROWS})


def users(batch: int) -> list[str]:
    return [f"{batch}-{row}" for row in range(ROWS)]


def read(store: Any, batch: int) -> list[int | None]:
    found: list[int | None] = store.reader([VIEW]).read({"user": users(batch)}).views["counts"].columns["n"].as_python()
    return found


#  write 0  1  2 ...  k   kill -9        k+1 ...
#  reads  ------------|     away     |------------
#
@pytest.mark.parametrize("start", [start_sentinels, start_cluster], ids=["sentinel", "cluster"])
def test_rows_that_a_replica_acknowledged_outlive_their_primary(start: Any) -> None:
    groups: AbstractContextManager[RedisGroup] = start()
    with groups as group:
        store, plain = opened(group, wait_replicas=1, wait_timeout_ms=200), opened(group)
        writer = store.writer(VIEW)
        acknowledged: list[int] = []
        stop, killed = threading.Event(), threading.Event()

        def write() -> None:
            batch = 0
            while not stop.is_set():
                try:
                    writer.write(rows(batch), "event_timestamp")
                    acknowledged.append(batch)
                except OnlineStoreUnavailable:
                    killed.wait()
                batch += 1

        thread = threading.Thread(target=write)
        thread.start()
        time.sleep(1.0)
        group.primaries[0].kill()
        stop.set()
        killed.set()
        thread.join()
        before = len(acknowledged)
        assert before > 20
        deadline = time.monotonic() + 30
        while True:  # the same objects find the new primary
            try:
                plain.writer(VIEW).write(rows(-1), "event_timestamp")
                assert read(plain, -1) == [-1] * ROWS
                break
            except OnlineStoreUnavailable:
                assert time.monotonic() < deadline
                time.sleep(0.1)
        for batch in acknowledged:
            assert read(plain, batch) == [batch] * ROWS
        assert plain.stats()["failed"] == plain.stats()["breaker"]["failures"]
