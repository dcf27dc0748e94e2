"""Hands rows to the online store, from a thread of its own: while one write is under way, what comes gathers for the next.

So many small results become few large writes, and of an entity that changed several times meanwhile only the newest row is
written. Rows are at most one write old. A store that is away is waited for; what comes meanwhile gathers, up to a bound, and
then the stream waits as well.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

import pyarrow as pa
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from pipelines.stream.outage import Outage, persist

MOST_WAITING: Final = 200_000
"""Rows that may wait for a write; then the stream waits."""


@dataclass(frozen=True, slots=True)
class ShardRows:
    """Rows that one shard of a view gives.

    Attributes:
        view: The view.
        shard: The shard.
        frontier: The instant, microseconds, up to which all partitions have been read, so that the shard's rows have been
            given with these; 0, or the cut of the handover, until every partition was heard of.
        furthest: The instant, microseconds, that the partition is at which is furthest: what the rows are of.
        rows: Join keys, features, `event_timestamp`; None when nothing changed.
        events: Events that went in.
        held: What the shard's state holds, by name; empty for no news.
        replaces: The instant, microseconds, up to which stored rows give way to these even when these are older: a run before
            stored them, and knew less. None for no such time.
    """

    view: str
    shard: int
    frontier: int
    furthest: int
    rows: pa.Table | None
    events: int
    held: Mapping[str, int] = field(default_factory=dict)
    replaces: int | None = None


class RowWriter(Protocol):
    """Whatever stores rows: the online store, or a list in a test."""

    def write(self, results: list[ShardRows]) -> None:
        """Store the rows and note the frontiers; writing the same again changes nothing.

        Raises:
            OSError: The store does not answer; it may be tried again.
        """


class OnlineSink(FixedPartitionedSink[ShardRows, None]):
    """Hands rows to writers, one a shard, so that the views of an entity go together."""

    def __init__(self, open_writer: Callable[[], RowWriter], most: Callable[[], int]) -> None:
        """Note how to open a writer, and how to learn how many shards there have been at most: Bytewax forgets no partition."""
        self._open = open_writer
        self._most = most

    def list_parts(self) -> list[str]:
        """Name every shard."""
        return [f"shard {number:06}" for number in range(self._most())]

    def part_fn(self, item_key: str) -> int:
        """Map the key of an item, a shard's number, to its partition."""
        return int(item_key)

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> OnlinePartition:
        """Open one shard's writer."""
        return OnlinePartition(self._open())


class OnlinePartition(StatefulSinkPartition[ShardRows, None]):
    """Writes what one shard of every view gives."""

    def __init__(self, writer: RowWriter, outage: Outage | None = None) -> None:
        """Start the thread that writes."""
        self._writer = writer
        self._outage = outage or Outage("online store")
        self._changed = threading.Condition()
        self._waiting: list[ShardRows] = []
        self._rows = 0
        self._writing = False
        self._closed = False
        self._failed: BaseException | None = None
        self._raised = False
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._thread.start()

    def write_batch(self, values: list[ShardRows]) -> None:
        """Let results wait for the next write; where too many do, wait."""
        with self._changed:
            self._changed.wait_for(lambda: self._rows < MOST_WAITING or self._failed is not None)
            self._raise()
            self._waiting += values
            self._rows += sum(len(one.rows) for one in values if one.rows is not None)
            self._changed.notify_all()

    def snapshot(self) -> None:
        """Wait until all is stored: Bytewax calls this before it forgets the events of an epoch."""
        with self._changed:
            self._changed.wait_for(lambda: self._failed is not None or not (self._waiting or self._writing))
            self._raise()

    def close(self) -> None:
        """Store what waits, and end. What failed has been raised before: Bytewax aborts without a word on a second time."""
        if not self._raised:
            self.snapshot()
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _raise(self) -> None:
        if self._failed is not None:
            self._raised = True
            raise self._failed

    def _write(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if not self._waiting:
                    return
                batch, self._waiting, self._rows = self._waiting, [], 0
                self._writing = True
                self._changed.notify_all()
            try:
                persist(self._outage, lambda batch=batch: self._writer.write(batch))  # type: ignore[misc]
            except BaseException as error:
                self._failed = error
            with self._changed:
                self._writing = False
                self._changed.notify_all()
                if self._failed is not None:
                    return
