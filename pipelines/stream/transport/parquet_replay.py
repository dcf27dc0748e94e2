"""Replays event tables from Parquet and then ends: for tests, and for trying a declaration on a file. Read only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.partitioning import partition_of
from pipelines.plan import EventTable
from pipelines.stream.transport.base import DEFAULT_PARTITIONS, Entries, TransportError, in_time_order
from pipelines.stream.transport.decoding import encode_for


@dataclass(frozen=True)
class ParquetReplay:
    """Replays `folder/<topic>`, a Parquet file or folder for each topic, by event time; each partition its own keys.

    Attributes:
        folder: Where the topics' files are.
        tables: The event tables by topic.
        wanted: Partitions of every topic; None takes `DEFAULT_PARTITIONS`.
    """

    folder: Path
    tables: Mapping[str, EventTable] = field(hash=False)
    wanted: int | None = None

    def partitions(self, topic: str) -> int:
        """Return how many partitions a topic has."""
        return self.wanted or DEFAULT_PARTITIONS

    def read(self, topic: str, partition: int, offset: str, most: int) -> Entries:
        """Return the next events; offsets count them from 0.

        Raises:
            TransportError: The topic has no Parquet.
            StopIteration: All have been read: the dataflow ends.
        """
        start = int(offset)
        partitions = self.partitions(topic)
        payloads = _payloads(self.folder, self.tables[topic], partition, partitions)[start : start + most]
        if not payloads:
            raise StopIteration
        return Entries(payloads, None, str(start + len(payloads)), len(payloads))

    def lag(self, topic: str) -> dict[int, float]:
        """Return nothing: a replay keeps no note of its readers."""
        return {}


@lru_cache(maxsize=64)
def _payloads(folder: Path, table: EventTable, partition: int, partitions: int) -> list[bytes]:
    """Return a partition's events as JSON, by event time."""
    path = folder / table.topic_name
    if not path.exists():
        raise TransportError(f"no Parquet in {path}; put the events of topic {path.name} there.")
    events = pq.read_table(path, columns=table.schema().names).cast(table.schema())
    mine = partition_of([events[table.partition_by or table.event_id]], partitions) == partition
    return encode_for(table, in_time_order(events.filter(pa.array(mine)), table.timestamp))
