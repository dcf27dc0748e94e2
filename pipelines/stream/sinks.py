"""Where the stream's events go: to the lake; bad and late ones to a log. Rows go through `online_sink.py`."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from bytewax.outputs import DynamicSink, FixedPartitionedSink, StatefulSinkPartition, StatelessSinkPartition

from pipelines.plan import EventTable
from pipelines.stream.dead_letters import DeadLetter, append_letters, log_file
from pipelines.stream.intake import EventBatch
from pipelines.stream.outage import Outage, persist
from workspace.addresses import inside, whole_file

MANY: Final = 100_000
"""Events of one partition and epoch that are landed at once, and not kept beside the snapshot: a stream that catches up."""


JOINED: Final = 64
"""Batches that are joined while an epoch goes on: an epoch has thousands, and to look at each at its end takes too long."""


PAUSE: Final = 0.2
"""Seconds after a snapshot until its events are landed, unless someone waits: at the end of an epoch the stream waits for other snapshots."""


@dataclass(frozen=True, slots=True)
class Unlanded:
    """Events that may not have been landed when a snapshot was taken: plain data, safe to pickle.

    Attributes:
        name: What their files are called, so that landing them again changes nothing.
        events: The events, as Arrow's stream.
    """

    name: str
    events: bytes


class LakeSink(FixedPartitionedSink[EventBatch, Unlanded | None]):
    """Lands every event in the lake, once an epoch: a Parquet file for each day it touches.

    A thread does it while the stream goes on, and until it has, the snapshot holds the events: a restart lands them again, in
    files of the same names. An event that came after the last snapshot may land twice; a backfill counts it once (rule 6).
    """

    def __init__(self, tables: dict[str, tuple[EventTable, int]]) -> None:
        """Note the tables by topic, with the number of partitions of each."""
        self._tables = tables
        self._order = {name: number for number, name in enumerate(sorted(self.list_parts()))}
        self._outage = Outage("lake")
        self._lander = ThreadPoolExecutor(max_workers=1, thread_name_prefix="lake")

    def list_parts(self) -> list[str]:
        """Name every partition, as `topic/number`."""
        return [f"{topic}/{p}" for topic, (_, partitions) in self._tables.items() for p in range(partitions)]

    def part_fn(self, item_key: str) -> int:
        """Map the key of an item, `topic/number`, to its partition: Bytewax counts them in the order of their names."""
        return self._order[item_key]

    def build_part(self, step_id: str, for_part: str, resume_state: Unlanded | None) -> _LakePartition:
        """Open one partition, and land what the last process may not have."""
        table, _ = self._tables[for_part.rpartition("/")[0]]
        attempt = partial(persist, self._outage)

        def land(events: pa.Table, name: str) -> None:
            land_events(events, table.lake, table.timestamp, attempt, name)

        if resume_state is not None:
            land(pa.ipc.open_stream(resume_state.events).read_all(), resume_state.name)
        return _LakePartition(land, self._lander)


class _LakePartition(StatefulSinkPartition[EventBatch, Unlanded | None]):
    def __init__(self, land: Callable[[pa.Table, str], None], lander: Executor) -> None:
        self._land = land
        self._lander = lander
        self._waiting: list[pa.Table] = []
        self._joined: list[pa.Table] = []
        self._landing: Future[None] | None = None
        self._waited_for = threading.Event()

    def write_batch(self, values: list[EventBatch]) -> None:
        self._waiting += [batch.landed for batch in values if len(batch.landed)]
        if len(self._waiting) >= JOINED:
            self._joined.append(pa.concat_tables(self._waiting).combine_chunks())
            self._waiting = []

    def snapshot(self) -> Unlanded | None:
        """Begin to land what waits, and return it: Bytewax calls this before it forgets the events of an epoch."""
        self._wait()
        if not self._waiting and not self._joined:
            return None
        events, name = pa.concat_tables([*self._joined, *self._waiting]).combine_chunks(), uuid.uuid4().hex
        self._waiting, self._joined = [], []
        if len(events) > MANY:
            self._land(events, name)
            return None
        self._landing = self._lander.submit(self._land_at, time.monotonic() + PAUSE, events, name)
        return Unlanded(name, _bytes_of(events))

    def close(self) -> None:
        self.snapshot()
        self._wait()

    def _land_at(self, when: float, events: pa.Table, name: str) -> None:
        self._waited_for.wait(max(when - time.monotonic(), 0))
        self._land(events, name)

    def _wait(self) -> None:
        if self._landing is not None:
            self._waited_for.set()
            self._landing.result()
            self._landing = None
            self._waited_for.clear()


def land_events(
    events: pa.Table,
    folder: str | Path,
    timestamp: str,
    attempt: Callable[[Callable[[], None]], None] = lambda land: land(),
    name: str | None = None,
) -> None:
    """Add events to a lake table, a new file for each UTC day among them; a file appears whole or not at all.

    The folder is a local path or an address such as `s3://bucket/lake/clicks`. `attempt` runs the landing of one day, and may
    run it again when it fails. Files of the same `name` are replaced; without one they have a name of their own.
    """
    days = pc.cast(events[timestamp], pa.date32())
    found = pc.unique(days)
    file = f"stream-{name or uuid.uuid4().hex}.parquet"
    for day in found:
        those = events if len(found) == 1 else events.filter(pc.equal(days, day))
        attempt(partial(_land_day, those, inside(folder, f"date={day.as_py()}", file)))


def _land_day(events: pa.Table, address: str) -> None:
    with whole_file(address) as file:
        pq.write_table(events, file, compression="zstd")


def _bytes_of(events: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, events.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as stream:
        stream.write_table(events)
    return bytes(sink.getvalue())


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
