"""Appends rows to a record from a thread of its own: the caller never waits, and what is lost is counted."""

from __future__ import annotations

import logging
import threading
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime
from itertools import groupby
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from contract.records import WRITER, RecordedFile
from serving.recording.merge import MergedDay
from workspace.files import replacing

_log = logging.getLogger(__name__)

Columns: TypeAlias = "Mapping[str, Any] | pa.RecordBatch"
"""Rows: a NumPy or Arrow array, or a list, for each column of the schema. The caller changes none of them afterwards."""


@dataclass(frozen=True, slots=True)
class AppendCounts:
    """What became of the rows that were given to an appender.

    Attributes:
        written: Rows in files that can be read.
        waiting: Rows that will be.
        dropped: Rows that found no room, since the disk did not keep up or could not be written until the end.
        failed: Rows that did not fit the schema.
        write_errors: How often the disk refused; the rows wait and are tried again.
    """

    written: int = 0
    waiting: int = 0
    dropped: int = 0
    failed: int = 0
    write_errors: int = 0

    def __add__(self, other: AppendCounts) -> AppendCounts:
        """Return the counts of both together."""
        return AppendCounts(*(getattr(self, one.name) + getattr(other, one.name) for one in fields(self)))


class ParquetAppender:
    """Appends to one record; one a process and record.

    Args:
        folder: The record's folder; days are folders in it.
        schema: Of every file.
        flush_s: How long rows wait until they can be read, seconds.
        most_rows: How many rows may wait; more are dropped.
        writer: Part of the files' names, of no other process that is or was: letters, digits and _; None draws one.
        now: The time, aware; a row belongs to the UTC day of its appending.
    """

    def __init__(
        self,
        folder: Path,
        schema: pa.Schema,
        flush_s: float = 1.0,
        most_rows: int = 100_000,
        writer: str | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Begin with nothing waiting; the folder is made by the first row, and so is the thread."""
        self.folder = folder
        self.schema = schema
        self._flush_s = flush_s
        self._most_rows = most_rows
        self._writer = writer or uuid.uuid4().hex[:12]
        if not WRITER.fullmatch(self._writer):
            raise ValueError(f"writer {writer!r}: write letters, digits and _ only, such as replica_1.")
        self._now = now
        self._number = 0
        self._waiting: deque[tuple[date, int, Columns]] = deque()
        self._counts = AppendCounts()
        self._lock = threading.Lock()
        self._has_rows, self._closing = threading.Event(), threading.Event()
        self._days: dict[date, MergedDay] = {}
        self._thread: threading.Thread | None = None

    @property
    def counts(self) -> AppendCounts:
        """Return what became of the rows so far."""
        with self._lock:
            return self._counts

    def append(self, columns: Columns, rows: int | None = None) -> bool:
        """Take rows to be written, and return at once; False where they were dropped.

        Args:
            columns: The rows.
            rows: How many they are; None asks the first column.
        """
        size = rows if rows is not None else _rows_of(columns)
        with self._lock:
            if self._closing.is_set() or self._counts.waiting + size > self._most_rows:
                self._counts = replace(self._counts, dropped=self._counts.dropped + size)
                return False
            self._waiting.append((self._now().astimezone(UTC).date(), size, columns))
            self._counts = replace(self._counts, waiting=self._counts.waiting + size)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=f"append to {self.folder.name}", daemon=True)
                self._thread.start()
        self._has_rows.set()
        return True

    def close(self, timeout_s: float = 10.0) -> AppendCounts:
        """Write what waits, take no more, and return the counts; a second call does nothing."""
        self._closing.set()
        self._has_rows.set()
        if self._thread is not None:
            self._thread.join(timeout_s)
        return self.counts

    def _run(self) -> None:
        while True:
            self._has_rows.wait()
            is_last = self._closing.wait(self._flush_s)
            self._has_rows.clear()
            self._flush()
            if is_last:
                break
        with self._lock:
            left = self._counts.waiting
            self._counts = replace(self._counts, waiting=0, dropped=self._counts.dropped + left)
        for day in self._days.values():
            day.close()

    def _flush(self) -> None:
        """Write all that waits, a file a day; what the disk refuses goes on waiting."""
        with self._lock:
            taken, self._waiting = list(self._waiting), deque()
        for day, group in groupby(taken, key=lambda one: one[0]):
            parts = list(group)
            rows = sum(size for _, size, _ in parts)
            batches = [one for one in map(self._fitting, parts) if one is not None]
            fitting = sum(one.num_rows for one in batches)
            try:
                if fitting:
                    self._write(day, pa.Table.from_batches(batches, self.schema))
            except OSError:
                self._keep(parts)
                continue
            with self._lock:
                counts = self._counts
                self._counts = replace(
                    counts,
                    written=counts.written + fitting,
                    waiting=counts.waiting - rows,
                    failed=counts.failed + rows - fitting,
                )

    def _keep(self, parts: list[tuple[date, int, Columns]]) -> None:
        with self._lock:
            self._waiting.extendleft(reversed(parts))
            self._counts = replace(self._counts, write_errors=self._counts.write_errors + 1)
            is_first = self._counts.write_errors == 1
        if is_first:
            _log.exception("%s cannot be written; rows wait as long as there is room", self.folder)
        self._has_rows.set()

    def _fitting(self, part: tuple[date, int, Columns]) -> pa.RecordBatch | None:
        _, _, columns = part
        try:
            if isinstance(columns, pa.RecordBatch):
                return columns.cast(self.schema)
            return pa.RecordBatch.from_pydict(dict(columns), self.schema)
        except (pa.ArrowException, ValueError, TypeError, KeyError):
            if not self.counts.failed:
                _log.exception("rows do not fit the schema of %s", self.folder)
            return None

    def _write(self, day: date, table: pa.Table) -> None:
        folder = self.folder / day.isoformat()
        file = RecordedFile(self._writer, self._number + 1, self._number + 1)
        with replacing(folder / file.name) as unfinished:
            pq.write_table(table, unfinished, compression="zstd")
        self._number += 1
        if day not in self._days:
            for earlier in self._days.values():
                earlier.close()
            self._days = {day: MergedDay(folder)}
        self._days[day].add(file, table.num_rows)


def _rows_of(columns: Columns) -> int:
    return columns.num_rows if isinstance(columns, pa.RecordBatch) else len(next(iter(columns.values())))
