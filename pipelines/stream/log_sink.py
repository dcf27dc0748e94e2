"""Appends the rows of a stream to the feature logs of its views, each row once however often the stream is killed.

A shard of a view writes one file an epoch and day. Files are numbered, and the number is part of the recovery: what was written
after the last epoch that counts is removed when the stream goes on, and written anew.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from pipelines.stream.online_sink import ShardRows
from pipelines.stream.outage import Outage, persist
from workspace.addresses import inside, list_files, open_address, whole_file
from workspace.files import write_whole

_RUN: Final = "run"


class LogSink(FixedPartitionedSink[ShardRows, int]):
    """Writes to the feature logs, a partition for each shard of each view."""

    def __init__(self, logs: Mapping[str, str], most: Callable[[], int], snapshots: Path | None) -> None:
        """Note where the logs are.

        Args:
            logs: By view, the folder or address of its log.
            most: Returns how many shards there have been at most: Bytewax forgets no partition.
            snapshots: Where the state of this stream is; its files are told from those of others by a name kept there.
        """
        self._logs = logs
        self._most = most
        self._snapshots = snapshots
        self._outage = Outage("feature log")

    def list_parts(self) -> list[str]:
        """Name every shard of every view; Bytewax counts them in the order of their names."""
        return [f"{view}/{number:06}" for view in sorted(self._logs) for number in range(self._most())]

    def part_fn(self, item_key: str) -> int:
        """Map the key of an item, `view_log/shard` or `view/shard`, to its partition."""
        view, _, shard = item_key.rpartition("/")
        return sorted(self.list_parts()).index(f"{view}/{int(shard):06}")

    def build_part(self, step_id: str, for_part: str, resume_state: int | None) -> LogPartition:
        """Open one shard's part of a log, and remove what it wrote after the last epoch that counts."""
        view, _, shard = for_part.rpartition("/")
        name = f"stream-{read_run(self._snapshots)}-{shard}"
        return LogPartition(self._logs[view], name, resume_state or 0, self._outage)


class LogPartition(StatefulSinkPartition[ShardRows, int]):
    """Writes what one shard of a view gives."""

    def __init__(self, log: str, name: str, number: int, outage: Outage) -> None:
        """Go on at a number: files of this name that have it, or a later one, are removed."""
        self._log = log
        self._name = name
        self._number = number
        self._outage = outage
        self._waiting: list[pa.Table] = []
        system, _ = open_address(log)
        for file in list_files(log):
            base = file.path.rpartition("/")[2]
            if base.startswith(f"{name}-") and int(base.removesuffix(".parquet").rpartition("-")[2]) >= number:
                system.delete_file(file.path)

    def write_batch(self, values: list[ShardRows]) -> None:
        """Let rows wait for the end of the epoch."""
        self._waiting += [one.rows for one in values if one.rows is not None]

    def snapshot(self) -> int:
        """Write what waits: Bytewax calls this before it forgets the events of an epoch."""
        if self._waiting:
            rows = pa.concat_tables(self._waiting)
            days = pc.cast(pc.cast(rows["event_timestamp"], pa.date32()), pa.string())
            for day in pc.unique(days).to_pylist():
                persist(self._outage, partial(self._write, rows.filter(pc.equal(days, day)), day))
            self._waiting = []
            self._number += 1
        return self._number

    def close(self) -> None:
        """Write what waits."""
        self.snapshot()

    def _write(self, rows: pa.Table, day: str) -> None:
        with whole_file(inside(self._log, f"date={day}/{self._name}-{self._number:09}.parquet")) as file:
            pq.write_table(rows, file, compression="snappy")


def read_run(snapshots: Path | None) -> str:
    """Return the name of this stream's files, which lasts as long as its state."""
    if snapshots is None:
        return uuid.uuid4().hex
    file = snapshots / _RUN
    if not file.is_file():
        write_whole(file, uuid.uuid4().hex)
    return file.read_text()
