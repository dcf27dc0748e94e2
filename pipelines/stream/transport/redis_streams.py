"""Redis Streams as a transport: one stream a partition of a topic.

The number of a topic's partitions is kept in Redis, set when the topic is first used, so that whoever reads or publishes
knows the same one. An entry has one field, `event` or `tick`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import redis

from pipelines.partitioning import partition_of
from pipelines.plan import EventTable
from pipelines.stream.transport.base import DEFAULT_PARTITIONS, Entries, TransportError, TransportUnavailable
from pipelines.stream.transport.codec import encode_events

_AT_ONCE = 10_000  # entries a round trip


@dataclass(frozen=True)
class RedisStreams:
    """Redis Streams.

    Attributes:
        url: `redis://host:port/db`.
        wanted: Partitions that a topic must have; None takes those it has, and `DEFAULT_PARTITIONS` for a new one.
        keep: About how many entries a partition keeps; older ones are dropped by Redis.
    """

    url: str
    wanted: int | None = None
    keep: int = 2_000_000

    def partitions(self, topic: str) -> int:
        """Return how many partitions a topic has; a new one gets those that are wanted.

        Raises:
            TransportError: The topic has another number than is wanted.
            TransportUnavailable: Redis does not answer.
        """
        key = f"events:{topic}:partitions"
        try:
            self._client().set(key, self.wanted or DEFAULT_PARTITIONS, nx=True)
            stored: Any = self._client().get(key)
        except redis.ConnectionError as error:
            raise self._unavailable(error) from error
        if self.wanted is not None and int(stored) != self.wanted:
            raise TransportError(
                f"topic {topic} at {self.url} has {int(stored)} partitions, PARTITIONS={self.wanted} asks for others; leave"
                f" PARTITIONS out, or use a new topic: events of one key would change their partition."
            )
        return int(stored)

    def publish(self, table: EventTable, events: pa.Table) -> int:
        """Append events to the partitions of their keys; within one, in the order given.

        Raises:
            TransportUnavailable: Redis does not answer.
        """
        if not len(events):
            return 0
        topic = table.topic or table.name
        partition = partition_of([events[table.partition_by or table.event_id]], self.partitions(topic))
        payloads = encode_events(events)
        self._send([(_stream(topic, int(p)), b"event", e) for p, e in zip(partition, payloads, strict=True)])
        return len(events)

    def tick(self, topic: str, t: int) -> None:
        """Append a tick to every partition.

        Raises:
            TransportUnavailable: Redis does not answer.
        """
        self._send([(_stream(topic, p), b"tick", str(t).encode()) for p in range(self.partitions(topic))])

    def read(self, topic: str, partition: int, offset: str, most: int) -> Entries:
        """Return entries after an offset, and note that those up to it have been taken.

        Raises:
            TransportUnavailable: Redis does not answer.
        """
        stream = _stream(topic, partition)
        try:
            pipe: Any = self._client().pipeline(transaction=False)
            pipe.hset(f"events:{topic}:taken", str(partition), offset)
            pipe.xread({stream: offset}, count=most)
            found = pipe.execute()[1]
        except redis.ConnectionError as error:
            raise self._unavailable(error) from error
        entries = found[0][1] if found else []
        payloads = [fields[b"event"] for _, fields in entries if b"event" in fields]
        ticks = [int(fields[b"tick"]) for _, fields in entries if b"tick" in fields]
        return Entries(payloads, max(ticks, default=None), entries[-1][0].decode() if entries else offset, len(entries))

    def lag(self, topic: str) -> dict[int, float]:
        """Return how far each partition's reader is behind its newest entry, seconds between their arrivals."""
        client: Any = self._client()
        found = {}
        try:
            for partition, offset in client.hgetall(f"events:{topic}:taken").items():
                newest = client.xrevrange(_stream(topic, int(partition)), count=1)
                if newest:
                    found[int(partition)] = max(0.0, (_arrival(newest[0][0]) - _arrival(offset)) / 1000)
        except redis.ConnectionError as error:
            raise self._unavailable(error) from error
        return found

    def _send(self, entries: Sequence[tuple[bytes, bytes, bytes]]) -> None:
        client: Any = self._client()
        try:
            for start in range(0, len(entries), _AT_ONCE):
                pipe = client.pipeline(transaction=False)
                for stream, field, value in entries[start : start + _AT_ONCE]:
                    pipe.execute_command("XADD", stream, "MAXLEN", "~", self.keep, "*", field, value)
                pipe.execute()
        except redis.ConnectionError as error:
            raise self._unavailable(error) from error

    def _unavailable(self, error: Exception) -> TransportUnavailable:
        return TransportUnavailable(
            f"the broker at {self.url} does not answer ({error}); start it, or set MILLRACE_BROKER."
        )

    def _client(self) -> redis.Redis:
        if self.url not in _CLIENTS:
            _CLIENTS[self.url] = redis.Redis.from_url(self.url)
        return _CLIENTS[self.url]


_CLIENTS: dict[str, redis.Redis] = {}  # one pool a server and process; a transport itself is plain data and can be sent


def _stream(topic: str, partition: int) -> bytes:
    return f"events:{topic}:{partition}".encode()


def _arrival(entry: bytes) -> int:
    """Return the milliseconds in an entry's id; 0 for the beginning."""
    return int(entry.partition(b"-")[0])
