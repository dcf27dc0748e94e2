"""Kafka: entries in order, by partition, what is gone, and a broker that does not answer."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import Producer

from pipelines.partitioning import partition_of
from pipelines.plan import EventTable
from pipelines.semantics.reference import Event
from pipelines.stream.transport import kafka_topics
from pipelines.stream.transport.base import Entries, LostEventsError, Measured, TransportError, TransportUnavailable
from pipelines.stream.transport.kafka_topics import KafkaTopics
from pipelines.stream.transport.open import open_publisher, open_transport

pytestmark = pytest.mark.slow
BLANK = {"money": 1.5, "whole": None, "word": None, "flag": None}


@pytest.fixture
def topic() -> str:
    return f"events-{uuid.uuid4().hex}"


@pytest.fixture
def broker(kafka: Any) -> KafkaTopics:
    return KafkaTopics(kafka.address)


@pytest.fixture
def table(lab: Any, topic: str) -> EventTable:
    made = lab.plan([lab.feature("count", None, 60_000_000, 1_000_000)]).table
    return EventTable(topic, "/nowhere", "at", "id", topic, "user", made.columns)


def read_all(broker: KafkaTopics, topic: str, partition: int, offset: str = "0", most: int = 1_000) -> Entries:
    """The first entries that come, or what is read when there are none."""
    deadline = time.monotonic() + 30
    while True:
        read = broker.read(topic, partition, offset, most)
        if read.count or not read.more:
            return read
        assert time.monotonic() < deadline
        time.sleep(0.01)


def everything(broker: KafkaTopics, topic: str, partition: int, offset: str = "0") -> list[Entries]:
    reads = [read_all(broker, topic, partition, offset)]
    while reads[-1].count:
        reads.append(read_all(broker, topic, partition, reads[-1].offset))
    return reads


def raw(kafka: Any, topic: str, value: bytes | None, headers: Any = None, partition: int = 0) -> None:
    producer = Producer({"bootstrap.servers": kafka.servers, "log_level": 2})
    producer.produce(topic, value, partition=partition, headers=headers)
    assert producer.flush(20) == 0


def until_raised(act: Callable[[], Any], kind: type[Exception]) -> Exception:
    deadline = time.monotonic() + 30
    while True:
        try:
            act()
        except kind as error:
            return error
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_what_is_published_is_read_in_order_each_key_from_the_partition_that_the_rule_gives_it(
    lab: Any, broker: KafkaTopics, table: EventTable, topic: str
) -> None:
    events = lab.table([(f"user {n % 5}", Event(n, n, BLANK)) for n in range(50)])
    assert broker.publish(table, events) == 50
    wanted = partition_of([events["user"]], 4).tolist()
    for partition in range(4):
        payloads = [payload for read in everything(broker, topic, partition) for payload in read.payloads]
        numbers = [json.loads(payload)["id"] for payload in payloads]
        assert numbers == [n for n in range(50) if wanted[n] == partition]


def test_reading_goes_on_after_the_offset_in_this_process_and_in_another(
    lab: Any, kafka: Any, table: EventTable, topic: str
) -> None:
    broker = KafkaTopics(kafka.address)
    broker.publish(table, lab.table([("a", Event(n, n, BLANK)) for n in range(10)]))
    (partition,) = [p for p in range(4) if read_all(broker, topic, p).count]
    first = read_all(broker, topic, partition, "0", 3)
    assert (first.offset, list(first.offsets)) == ("3", ["0", "1", "2"])
    rest = read_all(broker, topic, partition, first.offset)
    assert list(rest.offsets) == [str(n) for n in range(3, 10)]
    again = read_all(broker, topic, partition, "5")
    assert (again.offsets[0], again.offset) == ("5", "10")
    assert read_all(broker, topic, partition, "10").count == 0


def test_an_empty_read_is_an_end_only_when_nothing_is_on_its_way(kafka: Any, broker: KafkaTopics, topic: str) -> None:
    broker.partitions(topic)
    empty = read_all(broker, topic, 0)
    assert (empty.count, empty.offset, empty.more) == (0, "0", False)
    raw(kafka, topic, b"{}")
    read = KafkaTopics(f"{kafka.address}?client.id=other").read(topic, 0, "0", 10)
    assert read.count or read.more


def test_a_tick_reaches_every_partition_between_the_events(kafka: Any, broker: KafkaTopics, topic: str) -> None:
    raw(kafka, topic, b"a")
    broker.tick(topic, 7)
    raw(kafka, topic, b"b")
    reads = everything(broker, topic, 0)
    assert [payload for read in reads for payload in read.payloads] == [b"a", b"b"]
    assert [t for read in reads for _, t in read.ticks] == [7]
    assert max(read.tick or 0 for read in everything(broker, topic, 3)) == 7


def test_what_no_event_is_is_told_apart(kafka: Any, broker: KafkaTopics, topic: str) -> None:
    raw(kafka, topic, None)
    raw(kafka, topic, b"soon", headers=[("millrace", b"tick")])
    raw(kafka, topic, b"", headers=[("other", b"x"), ("empty", None)])
    reads = everything(broker, topic, 0)
    told = [(one.code, one.offset) for read in reads for one in read.rejected]
    assert told == [("no_event", "0"), ("bad_tick", "1")]
    assert [payload for read in reads for payload in read.payloads] == [b""]


def test_what_a_producer_says_of_the_time_is_no_arrival(kafka: Any, broker: KafkaTopics, topic: str) -> None:
    raw(kafka, topic, b"a")
    assert list(read_all(broker, topic, 0).arrived) == [0]


def test_another_number_of_partitions_than_a_topic_has_is_refused(kafka: Any, topic: str) -> None:
    assert KafkaTopics(kafka.address).partitions(topic) == 4
    with pytest.raises(TransportError, match=rf"topic {topic} at kafka://.* has 4 partitions, PARTITIONS=5 asks for"):
        KafkaTopics(kafka.address, wanted=5).partitions(topic)


def test_how_far_a_reader_is_behind_is_told_in_entries_and_seconds(kafka: Any, broker: KafkaTopics, topic: str) -> None:
    for _ in range(5):
        raw(kafka, topic, b"x")
    assert isinstance(broker, Measured)
    before = broker.measure(topic)[0]
    assert (before.held, before.unread, before.behind) == (5, None, None)
    read_all(broker, topic, 0, "0", 3)
    deadline = time.monotonic() + 30
    while broker.measure(topic)[0].unread != 2:
        broker.read(topic, 0, "3", 0)
        assert time.monotonic() < deadline
    assert broker.lag(topic)[0] > 0
    while broker.measure(topic)[0].unread:
        read_all(broker, topic, 0, "5")
        assert time.monotonic() < deadline
    assert broker.lag(topic)[0] == 0.0


def test_what_was_dropped_before_it_was_read_is_named_with_how_to_mend_it(
    kafka: Any, broker: KafkaTopics, topic: str
) -> None:
    producer = Producer({"bootstrap.servers": kafka.servers, "log_level": 2})
    for _ in range(20):
        producer.produce(topic, b"x" * 500_000, partition=0)
        assert producer.flush(20) == 0  # the cluster drops whole batches: one message each
    error = until_raised(lambda: broker.read(topic, 0, "1", 10), LostEventsError)
    told = str(error)
    assert f"topic {topic}, partition 0 at kafka://{kafka.servers}: what came from offset 1 on is gone" in told
    assert " were dropped; the first that is left is " in told
    assert told.endswith("then run `make backfill`, and start the stream with FRESH=1.")
    assert read_all(broker, topic, 0).count, "from the beginning that is left, reading goes on"


def test_a_topic_that_ends_before_what_was_read_is_named(kafka: Any, broker: KafkaTopics, topic: str) -> None:
    raw(kafka, topic, b"x")
    error = until_raised(lambda: broker.read(topic, 0, "17", 10), LostEventsError)
    assert "the topic ends at 1: it was made anew, or its broker lost data" in str(error)


def test_a_broker_that_does_not_answer_is_named_and_read_on_when_it_does(
    kafka: Any, broker: KafkaTopics, topic: str
) -> None:
    raw(kafka, topic, b"a")
    offset = read_all(broker, topic, 0).offset
    kafka.pause()
    try:
        error = until_raised(lambda: broker.read(topic, 0, offset, 10), TransportUnavailable)
    finally:
        kafka.go_on()
    assert f"the broker at kafka://{kafka.servers} does not answer" in str(error)
    raw(kafka, topic, b"b")
    deadline = time.monotonic() + 30
    payloads: list[bytes] = []
    while not payloads:
        assert time.monotonic() < deadline
        try:
            payloads = broker.read(topic, 0, offset, 10).payloads
        except TransportUnavailable:
            time.sleep(0.05)
    assert payloads == [b"b"]


def test_a_broker_that_is_not_there_is_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_topics, "ANSWER_SECONDS", 0.5)
    away = KafkaTopics("kafka://127.0.0.1:9?sasl.password=secret")
    with pytest.raises(
        TransportUnavailable, match=r"the broker at kafka://127.0.0.1:9 does not answer \(.*\); start it"
    ):
        away.partitions("events")


def test_an_unknown_setting_is_named() -> None:
    with pytest.raises(
        TransportError, match=r'kafka://a:1: No such configuration property: "colour"; mend the address'
    ):
        KafkaTopics("kafka://a:1?colour=red").partitions("events")


@pytest.mark.parametrize("address", ["kafka://a:9092,b:9092", "a:9092,b:9092", "localhost"])
def test_an_address_without_a_scheme_is_kafkas(address: str) -> None:
    assert isinstance(open_publisher(address), KafkaTopics)
    assert isinstance(open_transport(address), KafkaTopics)
