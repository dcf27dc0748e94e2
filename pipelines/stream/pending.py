"""Events that have come and do not count yet: those of a view with a delay, and those a little ahead of the clock."""

from __future__ import annotations

import heapq

import numpy as np
import pyarrow as pa

from pipelines.semantics.rows import Times

_BUCKET = 60_000_000  # microseconds: what is looked through again while time passes within it


class Pending:
    """Events by their time, a minute together."""

    def __init__(self, tables: tuple[pa.Table, ...] = (), timestamp: str = "") -> None:
        """Start with the events of a snapshot, or none."""
        self._minutes: list[int] = []
        self._tables: dict[int, list[pa.Table]] = {}
        for table in tables:
            self.add(table, table[timestamp].cast(pa.int64()).to_numpy())

    def __len__(self) -> int:
        """Return the number of events."""
        return sum(len(table) for tables in self._tables.values() for table in tables)

    @property
    def nbytes(self) -> int:
        """Return the bytes of the events."""
        return sum(table.nbytes for tables in self._tables.values() for table in tables)

    def add(self, events: pa.Table, ts: Times) -> None:
        """Keep events of these times, microseconds."""
        minutes = ts // _BUCKET
        for minute in np.unique(minutes).tolist():
            if minute not in self._tables:
                heapq.heappush(self._minutes, minute)
                self._tables[minute] = []
            self._tables[minute].append(events.take(pa.array(np.flatnonzero(minutes == minute))))

    def take_until(self, t: int) -> list[pa.Table]:
        """Return tables that have all events up to a time, later ones of its minute as well, and forget them."""
        found: list[pa.Table] = []
        while self._minutes and self._minutes[0] <= t // _BUCKET:
            found += self._tables.pop(heapq.heappop(self._minutes))
        return found

    def tables(self) -> tuple[pa.Table, ...]:
        """Return all events."""
        return tuple(table for minute in sorted(self._tables) for table in self._tables[minute])
