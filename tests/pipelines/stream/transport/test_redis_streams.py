"""The broker: entries in order, by partition, and what it says when it is away."""

from __future__ import annotations

from typing import Any

import pytest
import redis

from pipelines.plan import EventTable
from pipelines.semantics.reference import Event
from pipelines.stream.transport.base import TransportError, TransportUnavailable, in_time_order
from pipelines.stream.transport.open import open_publisher, open_transport, transport_address
from pipelines.stream.transport.redis_streams import RedisStreams
from pipelines.stream.transport.rejected import CODES
from workspace.redis_server import start_redis

BLANK = {"money": 1.5, "whole": None, "word": None, "flag": None}


@pytest.fixture
def broker(url: str) -> RedisStreams:
    redis.Redis.from_url(url).flushall()
    return open_publisher(url, partitions=3)


def test_what_is_published_is_read_in_order_and_each_user_from_one_partition(
    lab: Any, broker: RedisStreams, table: EventTable
) -> None:
    events = lab.table([(f"user {n % 5}", Event(n, n, BLANK)) for n in range(50)])
    assert broker.publish(table, events) == 50
    read = [broker.read("events", partition, "0", 100) for partition in range(3)]
    users = [{payload.split(b'"user":')[1][:8] for payload in one.payloads} for one in read]
    assert sum(len(one.payloads) for one in read) == 50
    assert sum(map(len, users)) == 5
    for one in read:
        numbers = [int(payload.split(b'"id":')[1].split(b",")[0]) for payload in one.payloads]
        assert numbers == sorted(numbers)


def test_reading_goes_on_after_the_offset(lab: Any, broker: RedisStreams, table: EventTable) -> None:
    broker = RedisStreams(broker.url, wanted=1)
    broker.publish(table, lab.table([("a", Event(n, n, BLANK)) for n in range(5)]))
    first = broker.read("events", 0, "0", 3)
    second = broker.read("events", 0, first.offset, 3)
    third = broker.read("events", 0, second.offset, 3)
    assert (first.count, second.count, third.count, third.offset) == (3, 2, 0, second.offset)


def test_a_tick_reaches_every_partition(broker: RedisStreams) -> None:
    broker.tick("events", 7)
    broker.tick("events", 9)
    read = [broker.read("events", partition, "0", 10) for partition in range(3)]
    assert [(one.tick, one.count, one.payloads) for one in read] == [(9, 2, [])] * 3


def test_no_events_are_published_as_nothing(lab: Any, broker: RedisStreams, table: EventTable) -> None:
    assert broker.publish(table, lab.table([])) == 0


def test_events_are_sent_by_time(lab: Any) -> None:
    events = lab.table([("a", Event(ts, number, BLANK)) for number, ts in enumerate([3, 1, 2, 1])])
    assert in_time_order(events, "at")["id"].to_pylist() == [1, 3, 2, 0]


def test_a_broker_that_is_away_is_named_with_what_to_do(lab: Any, table: EventTable) -> None:
    with start_redis() as server:
        away = open_publisher(server.url)
    message = rf"the broker at {server.url} does not answer .*; start it, or set MILLRACE_BROKER"
    for call in (lambda: away.tick("events", 1), lambda: away.read("events", 0, "0", 1)):
        with pytest.raises(TransportUnavailable, match=message):
            call()
    with pytest.raises(TransportUnavailable, match=message):
        away.publish(table, lab.table([("a", Event(1, 1, BLANK))]))


def test_an_address_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(TransportError, match="broker 'amqp://x' is not known; use one of redis://host:port"):
        open_transport("amqp://x")


def test_each_topic_knows_its_own_partitions(url: str, broker: RedisStreams) -> None:
    assert RedisStreams(url, wanted=8).partitions("clicks") == 8
    assert broker.partitions("events") == 3
    anybody = open_publisher(url)
    assert (anybody.partitions("clicks"), anybody.partitions("events"), anybody.partitions("new")) == (8, 3, 4)


def test_another_number_of_partitions_than_a_topic_has_is_refused(url: str, broker: RedisStreams) -> None:
    broker.tick("events", 1)
    with pytest.raises(TransportError, match=r"topic events .* has 3 partitions, PARTITIONS=5 asks for others; leave"):
        RedisStreams(url, wanted=5).tick("events", 2)


def test_lag_is_the_time_between_what_was_taken_and_what_is_there(broker: RedisStreams) -> None:
    broker.tick("events", 1)
    first = broker.read("events", 0, "0", 10)
    broker.read("events", 0, first.offset, 10)
    assert broker.lag("events") == {0: 0.0}
    redis.Redis.from_url(broker.url).xadd(b"events:events:0", {"tick": 2}, id=_later(first.offset, 2_500))
    assert broker.lag("events") == {0: 2.5}


def _later(offset: str, milliseconds: int) -> str:
    return f"{int(offset.partition('-')[0]) + milliseconds}-0"


def add(broker: RedisStreams, **fields: bytes) -> str:
    entry: bytes = redis.Redis.from_url(broker.url).xadd("events:events:0", fields)  # type: ignore[arg-type, assignment]
    return entry.decode()


def test_entries_say_where_they_lie_when_they_came_and_where_ticks_were_between_them(broker: RedisStreams) -> None:
    ids = [add(broker, **{name: value}) for name, value in (("event", b"a"), ("tick", b"7"), ("event", b"b"))]
    read = broker.read("events", 0, "0", 10)
    assert (read.payloads, read.offsets, read.ticks, read.tick) == ([b"a", b"b"], [ids[0], ids[2]], [(1, 7)], 7)
    assert list(read.arrived) == [int(one.partition("-")[0]) * 1000 for one in read.offsets]


def test_an_id_that_a_producer_made_up_is_no_time(broker: RedisStreams) -> None:
    redis.Redis.from_url(broker.url).xadd("events:events:0", {"event": b"a"}, id="5-1")
    read = broker.read("events", 0, "0", 10)
    assert (read.offsets, list(read.arrived)) == (["5-1"], [0])


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"tick": b"soon"}, "bad_tick"),
        ({"tick": b"\xff"}, "bad_tick"),
        ({"tick": b""}, "bad_tick"),
        ({"tick": b"1" + b"0" * 5_000}, "bad_tick"),
        ({"other": b"x"}, "no_event"),
    ],
)
def test_an_entry_of_somebody_else_is_told_apart(broker: RedisStreams, fields: dict[str, bytes], code: str) -> None:
    where = add(broker, **fields)
    read = broker.read("events", 0, "0", 10)
    assert (read.payloads, read.count, read.offset) == ([], 1, where)
    assert [(one.code, one.offset) for one in read.rejected] == [(code, where)]
    assert code in CODES


def test_a_key_that_is_no_stream_is_refused_with_its_name(broker: RedisStreams) -> None:
    redis.Redis.from_url(broker.url).set("events:events:0", "x")
    with pytest.raises(TransportError, match=r"the broker at redis://.* refuses: .*wrong kind of value"):
        broker.read("events", 0, "0", 10)


def test_the_address_is_what_the_sources_declare_unless_a_setting_overrides_it(
    lab: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    features = [lab.feature("count", None, 60_000_000, 1_000_000)]
    plans = [lab.plan(features, address="redis://declared:1")]
    monkeypatch.delenv("MILLRACE_BROKER", raising=False)
    assert transport_address(plans) == "redis://declared:1"
    with pytest.raises(
        TransportError, match="redis://declared:1 and redis://other:1 kafka_bootstrap_servers; give all"
    ):
        transport_address([*plans, lab.plan(features, address="redis://other:1")])
    monkeypatch.setenv("MILLRACE_BROKER", "redis://set:1")
    assert transport_address(plans) == "redis://set:1"
