"""Where the stream's events go: to the lake; bad and late ones to a log. Rows go through `online_sink.py`."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from bytewax.outputs import DynamicSink, FixedPartitionedSink, StatefulSinkPartition, StatelessSinkPartition

from pipelines.plan import EventTable
from pipelines.stream.dead_letters import DeadLetter, append_letters, log_file
from pipelines.stream.intake import EventBatch
from pipelines.stream.outage import Outage, persist
from workspace.addresses import inside, whole_file


class LakeSink(FixedPartitionedSink[EventBatch, None]):
    """Lands every event in the lake, once an epoch: a Parquet file for each day it touches.

    An event may land twice after a restart; a backfill counts it once (rule 6).
    """

    def __init__(self, tables: dict[str, tuple[EventTable, int]]) -> None:
        """Note the tables by topic, with the number of partitions of each."""
        self._tables = tables
        self._order = {name: number for number, name in enumerate(sorted(self.list_parts()))}
        self._outage = Outage("lake")

    def list_parts(self) -> list[str]:
        """Name every partition, as `topic/number`."""
        return [f"{topic}/{p}" for topic, (_, partitions) in self._tables.items() for p in range(partitions)]

    def part_fn(self, item_key: str) -> int:
        """Map the key of an item, `topic/number`, to its partition: Bytewax counts them in the order of their names."""
        return self._order[item_key]

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> _LakePartition:
        """Open one partition."""
        topic = for_part.rpartition("/")[0]
        table, _ = self._tables[topic]
        return _LakePartition(table.lake, table.timestamp, self._outage)


class _LakePartition(StatefulSinkPartition[EventBatch, None]):
    def __init__(self, folder: str, timestamp: str, outage: Outage) -> None:
        self._folder = folder
        self._timestamp = timestamp
        self._outage = outage
        self._waiting: list[pa.Table] = []

    def write_batch(self, values: list[EventBatch]) -> None:
        self._waiting += [batch.landed for batch in values if len(batch.landed)]

    def snapshot(self) -> None:
        """Land what waits: Bytewax calls this before it forgets the events of an epoch."""
        if self._waiting:
            events = pa.concat_tables(self._waiting)
            land_events(events, self._folder, self._timestamp, partial(persist, self._outage))
            self._waiting = []

    def close(self) -> None:
        self.snapshot()


def land_events(
    events: pa.Table,
    folder: str | Path,
    timestamp: str,
    attempt: Callable[[Callable[[], None]], None] = lambda land: land(),
) -> None:
    """Add events to a lake table, a new file for each UTC day among them; a file appears whole or not at all.

    The folder is a local path or an address such as `s3://bucket/lake/clicks`. `attempt` runs the landing of one day, and may
    run it again when it fails.
    """
    events = events.combine_chunks()  # of an epoch's hundreds of batches each would be looked at by itself
    days = pc.cast(events[timestamp], pa.date32())
    found = pc.unique(days)
    for day in found:
        those = events if len(found) == 1 else events.filter(pc.equal(days, day))
        attempt(partial(_land_day, those, inside(folder, f"date={day.as_py()}")))


def _land_day(events: pa.Table, folder: str) -> None:
    with whole_file(inside(folder, f"stream-{uuid.uuid4().hex}.parquet")) as file:
        pq.write_table(events, file, compression="zstd")


class DeadLetterSink(DynamicSink[EventBatch]):
    """Appends rejected events, with their reasons, to one JSON-lines file a topic and worker.

    A disk that is full holds the stream up until it takes them: an event is never dropped without a word.
    """

    def __init__(self, folder: Path) -> None:
        """Note the folder."""
        self._folder = folder
        self._outage = Outage("dead-letter log")

    def build(self, step_id: str, worker_index: int, worker_count: int) -> _DeadLetterPartition:
        """Open the log of one worker."""
        return _DeadLetterPartition(self._folder, worker_index, self._outage)


class _DeadLetterPartition(StatelessSinkPartition[EventBatch]):
    def __init__(self, folder: Path, worker: int, outage: Outage) -> None:
        self._folder = folder
        self._worker = worker
        self._outage = outage

    def write_batch(self, items: list[EventBatch]) -> None:
        at = datetime.now(UTC).isoformat()
        letters: dict[str, list[DeadLetter]] = {}
        for batch in items:
            for one in batch.rejected:
                letters.setdefault(batch.topic, []).append(
                    DeadLetter(at, batch.topic, batch.partition, one.offset, one.code, one.reason, one.payload)
                )
        for topic, those in letters.items():
            file = log_file(self._folder, topic, self._worker)
            persist(self._outage, partial(append_letters, file, those))
