"""Kafka as a transport. The stream keeps its own offsets, with its state; the group `millrace` only shows how far it is.

Events go to the partition of their key by the same rule as everywhere (`pipelines/partitioning.py`), not by Kafka's own.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from pipelines.partitioning import partition_of
from pipelines.plan import EventTable
from pipelines.stream.transport.base import Entries, PartitionState, TransportError, TransportUnavailable
from pipelines.stream.transport.decoding import encode_for
from pipelines.stream.transport.kafka_client import ANSWER_SECONDS, new_consumer, producer_of, shown, unavailable
from pipelines.stream.transport.kafka_cursor import TICK, Cursor

if TYPE_CHECKING:
    from confluent_kafka import Consumer, TopicPartition


@dataclass(frozen=True)
class KafkaTopics:
    """Kafka.

    Attributes:
        address: `kafka://host:port,...`, or without the scheme.
        wanted: Partitions that a topic must have; None takes those it has.
    """

    address: str
    wanted: int | None = None

    def partitions(self, topic: str) -> int:
        """Return how many partitions a topic has.

        Raises:
            TransportError: There is no such topic, or it has another number than is wanted.
            TransportUnavailable: The broker does not answer.
        """
        from confluent_kafka import KafkaException

        try:
            found = producer_of(self.address).list_topics(topic, timeout=ANSWER_SECONDS).topics[topic]
        except KafkaException as error:
            raise unavailable(self.address, error.args[0].str()) from None
        count = len(found.partitions)
        if found.error is not None or not count:
            raise TransportError(
                f"topic {topic} at {shown(self.address)}: {found.error or 'no partitions'}; create it, such as with"
                f" kafka-topics.sh --create --topic {topic} --partitions {self.wanted or 4}."
            )
        if self.wanted is not None and count != self.wanted:
            raise TransportError(
                f"topic {topic} at {shown(self.address)} has {count} partitions, PARTITIONS={self.wanted} asks for others; leave"
                " PARTITIONS out, or use a new topic: events of one key would change their partition."
            )
        return count

    def publish(self, table: EventTable, events: pa.Table) -> int:
        """Append events to the partitions of their keys; within one, in the order given.

        Raises:
            TransportUnavailable: The broker did not take them all.
        """
        if not len(events):
            return 0
        topic, key = table.topic_name, events[table.partition_by or table.event_id]
        partitions = partition_of([key], self.partitions(topic)).tolist()
        keys = key.cast(pa.string()).to_pylist()
        self._send(
            topic, [(p, k, v, None) for p, k, v in zip(partitions, keys, encode_for(table, events), strict=True)]
        )
        return len(events)

    def tick(self, topic: str, t: int) -> None:
        """Append a tick to every partition.

        Raises:
            TransportUnavailable: The broker did not take them all.
        """
        self._send(topic, [(p, None, str(t).encode(), [TICK]) for p in range(self.partitions(topic))])

    def read(self, topic: str, partition: int, offset: str, most: int) -> Entries:
        """Return entries from an offset on.

        Raises:
            TransportUnavailable: The broker does not answer.
            LostEventsError: The broker no longer has all that came after the offset.
        """
        place = self.address, topic, partition
        with _LOCK:
            cursor = _CURSORS.get(place) or _CURSORS.setdefault(place, Cursor(*place))
        return cursor.read(offset, most)

    def lag(self, topic: str) -> dict[int, float]:
        """Return how far each partition's reader is behind its newest entry, seconds between their times."""
        return {p: one.behind for p, one in self.measure(topic).items() if one.behind is not None}

    def measure(self, topic: str) -> dict[int, PartitionState]:
        """Return how each partition of a topic is.

        Raises:
            TransportUnavailable: The broker does not answer.
        """
        from confluent_kafka import KafkaException, TopicPartition

        consumer = new_consumer(self.address)
        try:
            places = [TopicPartition(topic, p) for p in range(self.partitions(topic))]
            return {one.partition: _state(consumer, one) for one in consumer.committed(places, timeout=ANSWER_SECONDS)}
        except KafkaException as error:
            raise unavailable(self.address, error.args[0].str()) from None
        finally:
            consumer.close()

    def _send(self, topic: str, messages: list[tuple[int, str | None, bytes, list[Any] | None]]) -> None:
        producer = producer_of(self.address)
        failed: list[str] = []

        def told(error: Any, message: Any) -> None:
            if error is not None:
                failed.append(error.str())

        for partition, key, value, headers in messages:
            while True:
                try:
                    producer.produce(topic, value, key, partition, on_delivery=told, headers=headers)
                    break
                except BufferError:  # its queue is full: let some go out first
                    producer.poll(0.1)
                if failed:
                    break
        left = producer.flush(2 * ANSWER_SECONDS)
        if left or failed:
            producer.purge()
            raise TransportUnavailable(
                f"the broker at {shown(self.address)} did not take {left + len(failed):,} of {len(messages):,} entries of"
                f" {topic} ({failed[0] if failed else 'no answer'}); start it, and publish them again: an event counts once."
            )


_CURSORS: dict[tuple[str, str, int], Cursor] = {}
"""One consumer a partition and process; a transport itself is plain data and can be sent."""

_LOCK = threading.Lock()


def _state(consumer: Consumer, committed: TopicPartition) -> PartitionState:
    low, high = consumer.get_watermark_offsets(committed, timeout=ANSWER_SECONDS, cached=False)
    if committed.offset < 0:
        return PartitionState(high - low, None, None)
    lost = f"{low - committed.offset:,} entries were dropped before they were read" if committed.offset < low else ""
    unread = max(high - max(committed.offset, low), 0)
    behind = 0.0
    if unread:
        first, last = (_time_at(consumer, committed, offset) for offset in (max(committed.offset, low), high - 1))
        behind = max(0.0, (last - first) / 1000)
    return PartitionState(high - low, unread, behind, lost)


def _time_at(consumer: Consumer, place: TopicPartition, offset: int) -> int:
    """Return the time of a message, milliseconds; 0 where it does not come."""
    from confluent_kafka import TopicPartition

    consumer.assign([TopicPartition(place.topic, place.partition, offset)])
    message = consumer.poll(ANSWER_SECONDS)
    return message.timestamp()[1] if message is not None and message.error() is None else 0
