"""A broker that replays event tables from Parquet and then ends: for tests, and for trying a declaration on a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.partitioning import partition_of
from pipelines.plan import EventTable
from pipelines.stream.transport.codec import encode_events
from pipelines.stream.transport.redis_streams import Entries, in_time_order


class ReplayError(ValueError):
    """There is nothing to replay, or something is published to a replay."""


@dataclass(frozen=True)
class ParquetReplay:
    """Replays `folder/<topic>`, a Parquet file or folder for each topic, by event time; each partition its own keys.

    Attributes:
        folder: Where the topics' files are.
        tables: The event tables by topic.
        partitions: Partitions of every topic.
    """

    folder: Path
    tables: Mapping[str, EventTable] = field(hash=False)
    partitions: int = 1

    def read(self, topic: str, partition: int, offset: str, most: int) -> Entries:
        """Return the next events; offsets count them from 0.

        Raises:
            ReplayError: The topic has no Parquet.
            StopIteration: All have been read: the dataflow ends.
        """
        start = int(offset)
        payloads = _payloads(self.folder, self.tables[topic], partition, self.partitions)[start : start + most]
        if not payloads:
            raise StopIteration
        return Entries(payloads, None, str(start + len(payloads)), len(payloads))

    def publish(self, table: EventTable, events: pa.Table) -> int:
        """Refuse: a replay is read only.

        Raises:
            ReplayError: Always.
        """
        raise ReplayError(f"{table.name}: a replay cannot be published to; use redis://host:port.")

    def tick(self, topic: str, t: int) -> None:
        """Refuse: a replay's time is that of its events.

        Raises:
            ReplayError: Always.
        """
        raise ReplayError(f"{topic}: a replay's time is that of its events.")


@lru_cache(maxsize=64)
def _payloads(folder: Path, table: EventTable, partition: int, partitions: int) -> list[bytes]:
    """Return a partition's events as JSON, by event time."""
    path = folder / (table.topic or table.name)
    if not path.exists():
        raise ReplayError(f"no Parquet in {path}; put the events of topic {path.name} there.")
    events = pq.read_table(path, columns=table.schema().names).cast(table.schema())
    mine = partition_of([events[table.partition_by or table.event_id]], partitions) == partition
    return encode_events(in_time_order(events.filter(pa.array(mine)), table.timestamp))
