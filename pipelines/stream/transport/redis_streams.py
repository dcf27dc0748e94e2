"""The broker of events: Redis Streams, one stream a partition of a topic.

An entry has one field: `event`, the JSON of one event, or `tick`, a time in microseconds by which everything before it has
been sent. Ticks let a replay say what time it is; live, an idle partition takes the clock's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import redis

from pipelines.partitioning import partition_of
from pipelines.plan import EventTable
from pipelines.stream.transport.codec import encode_events


@dataclass(frozen=True, slots=True)
class Entries:
    """What one read of a partition gave.

    Attributes:
        payloads: Events as JSON, in order.
        tick: The latest tick among them, microseconds; None for none.
        offset: Where the next read starts.
        count: Entries read, ticks included.
    """

    payloads: list[bytes]
    tick: int | None
    offset: str
    count: int


class BrokerUnavailable(ConnectionError):  # noqa: N818 - it reads as what happened
    """The broker does not answer."""


class BrokerAddressError(ValueError):
    """An address of no kind that is known."""


class Broker(Protocol):
    """A place where events wait, by topic and partition, as its reader sees it."""

    @property
    def partitions(self) -> int:
        """Return how many partitions every topic has."""

    def read(self, topic: str, partition: int, offset: str, most: int) -> Entries:
        """Return at most so many entries after an offset, at once."""


@dataclass(frozen=True)
class RedisBroker:
    """Redis Streams.

    Attributes:
        url: `redis://host:port/db`.
        partitions: Partitions of every topic.
        keep: About how many entries a partition keeps; older ones are dropped by the broker.
    """

    url: str
    partitions: int = 4
    keep: int = 2_000_000

    def publish(self, table: EventTable, events: pa.Table) -> int:
        """Append events to the partitions of their keys; within one, in the order given.

        Raises:
            BrokerUnavailable: Redis does not answer.
        """
        if not len(events):
            return 0
        partition = partition_of([events[table.partition_by or table.event_id]], self.partitions)
        payloads = encode_events(events)
        self._send(
            [
                (self._stream(table.topic or table.name, int(p)), b"event", e)
                for p, e in zip(partition, payloads, strict=True)
            ]
        )
        return len(events)

    def tick(self, topic: str, t: int) -> None:
        """Append a tick to every partition.

        Raises:
            BrokerUnavailable: Redis does not answer.
        """
        self._send([(self._stream(topic, p), b"tick", str(t).encode()) for p in range(self.partitions)])

    def read(self, topic: str, partition: int, offset: str, most: int) -> Entries:
        """Return entries after an offset; `0` is the beginning.

        Raises:
            BrokerUnavailable: Redis does not answer.
        """
        stream = self._stream(topic, partition)
        try:
            found: Any = self._client().xread({stream: offset}, count=most)
        except redis.ConnectionError as error:
            raise self._unavailable(error) from error
        entries = found[0][1] if found else []
        payloads = [fields[b"event"] for _, fields in entries if b"event" in fields]
        ticks = [int(fields[b"tick"]) for _, fields in entries if b"tick" in fields]
        return Entries(payloads, max(ticks, default=None), entries[-1][0].decode() if entries else offset, len(entries))

    def backlog(self, topic: str) -> int:
        """Return the number of entries that the broker holds of a topic."""
        client: Any = self._client()
        return sum(client.xlen(self._stream(topic, p)) for p in range(self.partitions))

    def _send(self, entries: Sequence[tuple[bytes, bytes, bytes]]) -> None:
        client: Any = self._client()
        try:
            for start in range(0, len(entries), 10_000):
                pipe = client.pipeline(transaction=False)
                for stream, field, value in entries[start : start + 10_000]:
                    pipe.execute_command("XADD", stream, "MAXLEN", "~", self.keep, "*", field, value)
                pipe.execute()
        except redis.ConnectionError as error:
            raise self._unavailable(error) from error

    def _unavailable(self, error: Exception) -> BrokerUnavailable:
        return BrokerUnavailable(
            f"the broker at {self.url} does not answer ({error}); start it, or set MILLRACE_BROKER."
        )

    def _client(self) -> redis.Redis:
        if self.url not in _CLIENTS:
            _CLIENTS[self.url] = redis.Redis.from_url(self.url)
        return _CLIENTS[self.url]

    def _stream(self, topic: str, partition: int) -> bytes:
        return f"events:{topic}:{partition}".encode()


_CLIENTS: dict[str, redis.Redis] = {}  # one pool a server and process; a broker itself is plain data and can be sent


def open_broker(url: str, partitions: int = 4) -> RedisBroker:
    """Return the broker that an address names.

    Raises:
        BrokerAddressError: The address is not of a known kind.
    """
    if url.startswith(("redis://", "rediss://")):
        return RedisBroker(url, partitions)
    raise BrokerAddressError(f"broker {url!r} is not known; use redis://host:port.")


def in_time_order(events: pa.Table, timestamp: str) -> pa.Table:
    """Return events by time, as a producer would send them."""
    order = np.argsort(events[timestamp].to_numpy(), kind="stable")
    return events.take(pa.array(order))
