"""What a transport of events is, to its readers and to its publishers.

A transport holds events by topic, each topic in partitions of its own number. An entry is an event, as JSON, or a tick: a
time in microseconds by which everything before it has been sent. Ticks let a replay say what time it is; live, an idle
partition takes the clock's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa

from pipelines.plan import EventTable

DEFAULT_PARTITIONS = 4


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


class TransportUnavailable(ConnectionError):  # noqa: N818 - it reads as what happened
    """The broker does not answer."""


class TransportError(ValueError):
    """An address of no kind that is known, or a topic that is not as it was said to be."""


class EventReader(Protocol):
    """Reads events."""

    def partitions(self, topic: str) -> int:
        """Return how many partitions a topic has."""

    def read(self, topic: str, partition: int, offset: str, most: int) -> Entries:
        """Return at most so many entries after an offset, at once; `0` is the beginning.

        Raises:
            TransportUnavailable: The broker does not answer.
            StopIteration: There will never be more: the dataflow ends.
        """

    def lag(self, topic: str) -> dict[int, float]:
        """Return how far the stream is behind the newest entry of each partition, seconds; empty where nobody knows."""


class EventPublisher(Protocol):
    """Writes events."""

    def publish(self, table: EventTable, events: pa.Table) -> int:
        """Append events to the partitions of their keys, within one in the order given; return how many there were.

        Raises:
            TransportUnavailable: The broker does not answer.
        """

    def tick(self, topic: str, t: int) -> None:
        """Append a tick to every partition.

        Raises:
            TransportUnavailable: The broker does not answer.
        """


def in_time_order(events: pa.Table, timestamp: str) -> pa.Table:
    """Return events by time, as a producer would send them."""
    order = np.argsort(events[timestamp].to_numpy(), kind="stable")
    return events.take(pa.array(order))
