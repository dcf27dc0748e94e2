"""A user of the broker with exactly the commands that docs/storage.md lists."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from pipelines.plan import EventTable
from pipelines.semantics.reference import Event
from pipelines.stream.transport.base import TransportError
from pipelines.stream.transport.redis_streams import RedisStreams
from workspace.redis_server import HOST, RedisServer, start_redis

BLANK = {"money": 1.5, "whole": None, "word": None, "flag": None}
PASSWORD = "pa55"


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    """A server of the module's own."""
    with start_redis() as started:
        yield started


def test_a_topic_is_published_read_measured_and_trimmed_as_the_documented_user(
    lab: Any, table: EventTable, server: RedisServer, documented_user: Callable[..., None]
) -> None:
    with redis.Redis(port=server.port, decode_responses=True) as admin:
        documented_user(admin, "broker", PASSWORD)
        admin.acl_log_reset()
        broker = RedisStreams(f"redis://millrace-broker:{PASSWORD}@{HOST}:{server.port}/0", wanted=1, keep=100)
        events = lab.table([("a", Event(n, n, BLANK)) for n in range(500)])
        broker.read(table.topic_name, 0, "0", 10)
        for _ in range(3):
            broker.publish(table, events)
        broker.tick(table.topic_name, 7)
        read = broker.read(table.topic_name, 0, "0", 1_000)
        read = broker.read(table.topic_name, 0, read.offset, 10_000)
        assert read.count == 501
        broker.read(table.topic_name, 0, read.offset, 1)
        broker.retain(table.topic_name, 0, read.offset)
        assert broker.measure(table.topic_name)[0].unread == 0
        broker.publish(table, events)
        assert admin.xlen(f"events:{table.topic_name}:0") < 1_600, "what was read is dropped"
        offset = broker.read(table.topic_name, 0, read.offset, 10_000).offset
        assert broker.has_news(table.topic_name, 0, offset)
        deadline = time.monotonic() + 10
        while broker.has_news(table.topic_name, 0, offset):  # until the bell waits, which is a command of its own
            assert time.monotonic() < deadline
            time.sleep(0.02)
        broker.tick(table.topic_name, 8)
        while not broker.has_news(table.topic_name, 0, offset):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        refused = [one for one in admin.acl_log() if not str(one["object"]).startswith("client")]
        assert refused == []


def test_password_of_the_broker_is_in_no_error(
    lab: Any, table: EventTable, server: RedisServer, documented_user: Callable[..., None]
) -> None:
    with redis.Redis(port=server.port) as admin:
        documented_user(admin, "broker", PASSWORD, "-xadd")
    broker = RedisStreams(f"redis://millrace-broker:{PASSWORD}@{HOST}:{server.port}/1", wanted=1)
    with pytest.raises(TransportError) as told:
        broker.tick(table.topic_name, 7)
    assert PASSWORD not in str(told.value)
