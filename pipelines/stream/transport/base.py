"""What a transport of events is, to its readers and to its publishers.

A transport holds events by topic, each topic in partitions of its own number. An entry is an event, in the source's encoding,
or a tick: a time in microseconds by which everything before it has been sent. Ticks let a replay say what time it is; live,
an idle partition takes the clock's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import pyarrow as pa

from pipelines.plan import EventTable
from pipelines.stream.transport.rejected import Rejected

DEFAULT_PARTITIONS = 4


@dataclass(frozen=True, slots=True)
class Entries:
    """What one read of a partition gave.

    Attributes:
        payloads: Events as they came, in order.
        tick: The latest tick among them, microseconds; None for none.
        offset: Where the next read starts.
        count: Entries read, ticks included.
        offsets: The offset of each payload; empty where the transport does not tell.
        arrived: When each payload came to the broker, microseconds by the broker's clock, 0 where that is not known; empty
            where it never is.
        ticks: Every tick: before which payload it came, and its time. Empty: `tick` came after all payloads.
        rejected: Entries that hold neither an event nor a tick.
        more: Whether there are entries that have not come yet: who reads none is not at the end.
    """

    payloads: list[bytes]
    tick: int | None
    offset: str
    count: int
    offsets: Sequence[str] = ()
    arrived: Sequence[int] = ()
    ticks: Sequence[tuple[int, int]] = ()
    rejected: Sequence[Rejected] = ()
    more: bool = False


@dataclass(frozen=True, slots=True)
class PartitionState:
    """How one partition of a topic is, as the broker sees it.

    Attributes:
        held: Entries that the broker holds; None where that is not known.
        unread: Entries that the stream has not read; None where that is not known.
        behind: Seconds that the stream is behind the newest entry; None where no stream has read.
        lost: What was dropped before it was read, in words; empty for nothing.
    """

    held: int | None
    unread: int | None
    behind: float | None
    lost: str = ""


class TransportUnavailable(ConnectionError):  # noqa: N818 - it reads as what happened
    """The broker does not answer: it may come back, so a reader waits."""


class TransportError(ValueError):
    """An address of no kind that is known, or a topic that is not as it was said to be."""


class LostEventsError(TransportError):
    """Events were dropped by the broker before they were read; the message says which, and how to mend it."""


class EventReader(Protocol):
    """Reads events."""

    def partitions(self, topic: str) -> int:
        """Return how many partitions a topic has."""

    def read(self, topic: str, partition: int, offset: str, most: int) -> Entries:
        """Return at most so many entries after an offset, at once; `0` is the beginning.

        Raises:
            TransportUnavailable: The broker does not answer.
            LostEventsError: The broker no longer has all that came after the offset.
            StopIteration: There will never be more: the dataflow ends.
        """

    def lag(self, topic: str) -> dict[int, float]:
        """Return how far the stream is behind the newest entry of each partition, seconds; empty where nobody knows."""


@runtime_checkable
class Retaining(Protocol):
    """A reader of a broker that drops old entries, and does not drop those that may still be read."""

    def retain(self, topic: str, partition: int, offset: str) -> None:
        """Note that a restart may go on from this offset: what is before it is not needed any more."""


@runtime_checkable
class Ringing(Protocol):
    """A reader that knows, without asking its broker, that a partition has nothing new."""

    def has_news(self, topic: str, partition: int, offset: str) -> bool:
        """Say whether there may be entries after an offset, of a partition at which the last read found none."""


@runtime_checkable
class Measured(Protocol):
    """A reader that knows how its partitions are."""

    def measure(self, topic: str) -> dict[int, PartitionState]:
        """Return how each partition of a topic is.

        Raises:
            TransportUnavailable: The broker does not answer.
        """


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
