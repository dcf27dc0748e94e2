"""Events that have come and do not count yet: those of a view with a delay, and those a little ahead of the clock.

What is due soon lies in memory, a minute together. What waits longer lies in files of ten minutes each, if there is a folder:
it gathers in small buffers, of which the largest are written when all together have grown. A snapshot names the files, and
carries only buffers and what is due soon and is in no file. A file is read when its time begins and named until its time is over;
which of its minutes have been taken meanwhile says how far time has come.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipelines.arrange import times
from pipelines.semantics.panes.live import EVER
from pipelines.semantics.rows import Times
from pipelines.stream.waiting_files import WaitingFile, WaitingFiles

MINUTE: Final = 60_000_000
"""Microseconds: what is looked through again while time passes within it."""

SPAN: Final = 10 * MINUTE
"""Microseconds of events that share a file."""

BUFFERED: Final = 2 << 20
"""Bytes of buffers, all together, from which on the largest are written; they are again half of it then."""

Held = tuple[pa.Table | WaitingFile, ...]
"""What a snapshot keeps of waiting events."""

Minutes = dict[int, list[pa.Table]]


class Pending:
    """Events by their time."""

    def __init__(
        self,
        timestamp: str,
        folder: Path | None = None,
        held: Held = (),
        until: int = EVER,
        mine: Callable[[pa.Table], npt.NDArray[np.bool_]] | None = None,
    ) -> None:
        """Start with the events of a snapshot, or none.

        Args:
            timestamp: The column of the time.
            folder: For files; None keeps all in memory.
            held: What a snapshot kept.
            until: The latest time, microseconds, that had been taken by then.
            mine: Says which events are followed here; the others are left out. None for all.
        """
        self._timestamp = timestamp
        self._mine = mine
        self._until = until
        self._soon: Minutes = {}
        self._read: Minutes = {}  # what is in open files as well
        self._buffers: Minutes = defaultdict(list)  # by span
        self._buffered = 0
        self._aside: dict[int, list[WaitingFile]] = defaultdict(list)
        self._open: list[WaitingFile] = []
        self._done: list[WaitingFile] = []
        self._minutes: list[int] = []
        named = [one for one in held if isinstance(one, WaitingFile)]
        self._files = WaitingFiles(folder, named) if folder is not None else None
        self._full = False
        for file in named:
            self._aside[file.span].append(file)
        for table in held:
            if isinstance(table, pa.Table):
                followed = self._followed(table)
                self.add(followed, self._times(followed))
        self._open_until(until)

    def __len__(self) -> int:
        """Return the number of events, those in files as well (with those that another shard follows by now)."""
        held = [self._soon, self._read, self._buffers]
        in_memory = sum(len(table) for minutes in held for tables in minutes.values() for table in tables)
        return in_memory + sum(file.events for files in self._aside.values() for file in files)

    @property
    def nbytes(self) -> int:
        """Return the bytes of the events in memory."""
        near = (table.nbytes for minutes in (self._soon, self._read) for tables in minutes.values() for table in tables)
        return self._buffered + sum(near)

    def add(self, events: pa.Table, ts: Times) -> None:
        """Keep events of these times, microseconds."""
        if self._files is not None:
            far = ts // SPAN > self._until // SPAN + 1
            if far.any():
                self._buffer(events.filter(pa.array(far)), ts[far] // SPAN)
                events, ts = events.filter(pa.array(~far)), ts[~far]
        self._keep(self._soon, events, ts)

    def take_until(self, t: int) -> list[pa.Table]:
        """Return tables that have all events up to a time, later ones of its minute as well, and forget them."""
        self._until = max(self._until, t)
        self._open_until(t)
        found: list[pa.Table] = []
        while self._minutes and self._minutes[0] <= t // MINUTE:
            minute = heapq.heappop(self._minutes)
            found += [*self._soon.pop(minute, ()), *self._read.pop(minute, ())]
        return found

    def put_aside(self) -> None:
        """Get ready for a snapshot: write what must not stay in memory. To be done once before each.

        Raises:
            OSError: The disk is full or away; nothing is lost, and it may be tried again.
        """
        if self._files is None:
            return
        for files in (self._open, *self._aside.values()):
            for number, file in enumerate(files):
                files[number] = self._files.own(file)
        self._full = False
        if self._buffered > BUFFERED:
            self._write_largest(self._files)
        self._files.forget(self._done)
        self._done = []

    def held(self) -> Held:
        """Return what a snapshot keeps."""
        open_files = (replace(file, taken=max(file.taken, self._until)) for file in self._open)
        files = (file for span in sorted(self._aside) for file in self._aside[span])
        soon = (_joined(self._soon[minute]) for minute in sorted(self._soon))
        buffers = [_joined(self._buffers[span]) for span in sorted(self._buffers)]
        self._buffered = sum(table.nbytes for table in buffers)
        return (*open_files, *files, *soon, *buffers)

    def _open_until(self, t: int) -> None:
        """Bring into memory what is of spans that have begun, and close files of spans that are over."""
        for span in [span for span in self._aside if span <= t // SPAN]:
            for file in self._aside.pop(span):
                assert self._files is not None  # it named them
                events = self._followed(self._files.read(file))
                ts = self._times(events)
                left = ts // MINUTE > file.taken // MINUTE
                self._keep(self._read, events.filter(pa.array(left)), ts[left])
                self._open.append(file)
        for span in [span for span in self._buffers if span <= t // SPAN]:
            for events in self._buffers.pop(span):
                self._buffered -= events.nbytes
                self._keep(self._soon, events, self._times(events))
        over = [file for file in self._open if (file.span + 1) * SPAN // MINUTE - 1 <= t // MINUTE]
        self._done += over
        self._open = [file for file in self._open if file not in over]

    def _buffer(self, events: pa.Table, spans: Times) -> None:
        """Keep what is due later, in a file once it is much; where the disk is full, the next `put_aside` waits for it."""
        for span, some in _apart(events, spans):
            self._buffers[span].append(some)
            self._buffered += some.nbytes
        if self._files is None or self._buffered <= BUFFERED or self._full:
            return
        try:
            self._write_largest(self._files)
        except OSError:
            self._full = True

    def _write_largest(self, files: WaitingFiles) -> None:
        sizes = {span: sum(table.nbytes for table in tables) for span, tables in self._buffers.items()}
        for span in sorted(sizes, key=sizes.__getitem__, reverse=True):
            if self._buffered <= BUFFERED // 2:
                break
            self._aside[span].append(files.write(_joined(self._buffers[span]), span))
            del self._buffers[span]
            self._buffered -= sizes[span]

    def _keep(self, where: Minutes, events: pa.Table, ts: Times) -> None:
        for minute, some in _apart(events, ts // MINUTE):
            if minute not in self._soon and minute not in self._read:
                heapq.heappush(self._minutes, minute)
            where.setdefault(minute, []).append(some)

    def _followed(self, events: pa.Table) -> pa.Table:
        return events if self._mine is None else events.filter(pa.array(self._mine(events)))

    def _times(self, events: pa.Table) -> Times:
        return times(events[self._timestamp])


def _apart(events: pa.Table, group: Times) -> Iterator[tuple[int, pa.Table]]:
    """Yield the events of each group."""
    for one in np.unique(group).tolist():
        yield one, events.take(pa.array(np.flatnonzero(group == one)))


def _joined(tables: list[pa.Table]) -> pa.Table:
    """Return the tables of a list as one, and keep it as that: later joins find it done."""
    if len(tables) > 1:
        tables[:] = [pa.concat_tables(tables).combine_chunks()]
    return tables[0]
