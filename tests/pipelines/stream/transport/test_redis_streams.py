"""The broker: entries in order, by partition, and what it says when it is away."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import redis

from pipelines.plan import EventTable
from pipelines.semantics.reference import Event
from pipelines.stream.transport.redis_streams import BrokerUnavailable, RedisBroker, in_time_order, open_broker
from workspace.redis_server import start_redis

BLANK = {"money": 1.5, "whole": None, "word": None, "flag": None}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with start_redis() as server:
        yield server.url


@pytest.fixture
def broker(url: str) -> RedisBroker:
    redis.Redis.from_url(url).flushall()
    return open_broker(url, partitions=3)


@pytest.fixture
def table(lab: Any) -> EventTable:
    return lab.plan([lab.feature("count", None, 60_000_000, 1_000_000)]).table


def test_what_is_published_is_read_in_order_and_each_user_from_one_partition(
    lab: Any, broker: RedisBroker, table: EventTable
) -> None:
    events = lab.table([(f"user {n % 5}", Event(n, n, BLANK)) for n in range(50)])
    assert broker.publish(table, events) == broker.backlog("events") == 50
    read = [broker.read("events", partition, "0", 100) for partition in range(3)]
    users = [{payload.split(b'"user":')[1][:8] for payload in one.payloads} for one in read]
    assert sum(len(one.payloads) for one in read) == 50
    assert sum(map(len, users)) == 5
    for one in read:
        numbers = [int(payload.split(b'"id":')[1].split(b",")[0]) for payload in one.payloads]
        assert numbers == sorted(numbers)


def test_reading_goes_on_after_the_offset(lab: Any, broker: RedisBroker, table: EventTable) -> None:
    broker = RedisBroker(broker.url, partitions=1)
    broker.publish(table, lab.table([("a", Event(n, n, BLANK)) for n in range(5)]))
    first = broker.read("events", 0, "0", 3)
    second = broker.read("events", 0, first.offset, 3)
    third = broker.read("events", 0, second.offset, 3)
    assert (first.count, second.count, third.count, third.offset) == (3, 2, 0, second.offset)


def test_a_tick_reaches_every_partition(broker: RedisBroker) -> None:
    broker.tick("events", 7)
    broker.tick("events", 9)
    read = [broker.read("events", partition, "0", 10) for partition in range(3)]
    assert [(one.tick, one.count, one.payloads) for one in read] == [(9, 2, [])] * 3


def test_no_events_are_published_as_nothing(lab: Any, broker: RedisBroker, table: EventTable) -> None:
    assert broker.publish(table, lab.table([])) == 0


def test_events_are_sent_by_time(lab: Any) -> None:
    events = lab.table([("a", Event(ts, number, BLANK)) for number, ts in enumerate([3, 1, 2, 1])])
    assert in_time_order(events, "at")["id"].to_pylist() == [1, 3, 2, 0]


def test_a_broker_that_is_away_is_named_with_what_to_do(lab: Any, table: EventTable) -> None:
    with start_redis() as server:
        away = open_broker(server.url)
    message = rf"the broker at {server.url} does not answer .*; start it, or set MILLRACE_BROKER"
    for call in (lambda: away.tick("events", 1), lambda: away.read("events", 0, "0", 1)):
        with pytest.raises(BrokerUnavailable, match=message):
            call()
    with pytest.raises(BrokerUnavailable, match=message):
        away.publish(table, lab.table([("a", Event(1, 1, BLANK))]))


def test_an_address_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="broker 'amqp://x' is not known; use redis://host:port"):
        open_broker("amqp://x")
