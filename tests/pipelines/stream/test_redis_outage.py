"""A partition of a real Redis that goes away: paused, killed and started again with its data, replaced by an empty one."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import redis

from pipelines.plan import EventTable
from pipelines.stream.intake import EventBatch
from pipelines.stream.source import EventPartition, EventSource
from pipelines.stream.transport.base import LostEventsError
from pipelines.stream.transport.redis_streams import RedisStreams
from workspace.redis_server import RedisServer, start_redis

pytestmark = pytest.mark.slow
TABLE = EventTable("clicks", "/nowhere", "at", "id", "clicks", "id", (("id", "bigint"), ("at", "timestamp")))


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with start_redis() as started:
        yield started


def broker_of(server: RedisServer) -> RedisStreams:
    return RedisStreams(f"{server.url}?socket_timeout=0.2&socket_connect_timeout=0.2", wanted=1)


def open_partition(broker: RedisStreams) -> EventPartition:
    return EventSource(broker, [(TABLE, ("at", "id"))], lambda: time.time_ns() // 1000).build_part(
        "s", "clicks/0", None
    )


def send(server: RedisServer, number: int) -> None:
    at = pa.array([time.time_ns() // 1000], pa.timestamp("us", "UTC"))
    RedisStreams(server.url, wanted=1).publish(TABLE, pa.table({"id": [number], "at": at}))


def read_until(partition: EventPartition, found: Callable[[list[EventBatch]], bool]) -> list[EventBatch]:
    batches: list[EventBatch] = []
    for _ in range(2_000):
        batches += partition.next_batch()
        if found(batches):
            return batches
        awake = partition.next_awake()
        time.sleep(max(0.0, min(awake.timestamp() - time.time(), 1.0)) if awake else 0.0)
    raise AssertionError(f"not found in {len(batches)} batches")


def ids(batches: list[EventBatch]) -> list[int]:
    return [number for batch in batches for number in batch.events["id"].to_pylist()]


def test_a_paused_server_is_waited_for_and_its_events_come_when_it_goes_on(
    server: RedisServer, capsys: pytest.CaptureFixture[str]
) -> None:
    partition = open_partition(broker_of(server))
    send(server, 1)
    assert ids(read_until(partition, lambda found: ids(found) == [1])) == [1]
    send(server, 2)
    os.kill(server.pid, signal.SIGSTOP)
    try:
        assert [partition.next_batch() for _ in range(3)] == [[], [], []]
    finally:
        os.kill(server.pid, signal.SIGCONT)
    assert ids(read_until(partition, lambda found: bool(ids(found)))) == [2]
    said = capsys.readouterr().out.splitlines()
    assert [line.split(" ")[0] for line in said] == ["broker:", "broker:"]
    assert f"the broker at {server.url} does not answer (Timeout reading from" in said[0]
    assert said[1].startswith("broker: back after")


def test_a_killed_server_is_waited_for_and_read_on_when_it_is_back_with_its_data(tmp_path: Path) -> None:
    with start_redis(directory=tmp_path) as first:
        partition = open_partition(broker_of(first))
        send(first, 1)
        read_until(partition, lambda found: ids(found) == [1])
        send(first, 2)
        redis.Redis.from_url(first.url).save()
        os.kill(first.pid, signal.SIGKILL)
        first.stop()
    assert [partition.next_batch() for _ in range(3)] == [[], [], []]
    with start_redis(first.port, tmp_path) as second:
        send(second, 3)
        found = read_until(partition, lambda found: len(ids(found)) == 2)
        assert ids(found) == [2, 3]


def test_a_server_that_comes_back_empty_is_an_error_that_names_what_was_lost() -> None:
    with start_redis() as first:
        partition = open_partition(broker_of(first))
        send(first, 1)
        read_until(partition, lambda found: ids(found) == [1])
    assert partition.next_batch() == []
    with start_redis(first.port), pytest.raises(LostEventsError, match="restarted without its data, or deleted"):
        read_until(partition, lambda found: False)


@pytest.mark.parametrize(
    "reply",
    [
        b"-LOADING Redis is loading the dataset in memory\r\n",
        b"-READONLY You can't write against a read only replica.\r\n",
        b"-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.\r\n",
        b"-BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.\r\n",
    ],
)
def test_a_server_that_will_soon_be_ready_is_waited_for(reply: bytes, scripted_server: Any) -> None:
    partition = EventSource(RedisStreams(scripted_server(reply), wanted=1), [(TABLE, ("at", "id"))], None)
    assert partition.build_part("s", "clicks/0", None).next_batch() == []


@pytest.fixture
def scripted_server() -> Iterator[Callable[[bytes], str]]:
    """Starts a server that answers every command alike, and returns its address."""
    import socketserver
    import threading

    servers: list[socketserver.ThreadingTCPServer] = []

    def start(reply: bytes) -> str:
        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                while line := self.rfile.readline():
                    for _ in range(int(line[1:])):
                        self.rfile.read(int(self.rfile.readline()[1:]) + 2)
                    self.wfile.write(reply)

        made = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        made.daemon_threads = True
        threading.Thread(target=made.serve_forever, daemon=True).start()
        servers.append(made)
        return f"redis://127.0.0.1:{made.server_address[1]}"

    yield start
    for made in servers:
        made.shutdown()
        made.server_close()
