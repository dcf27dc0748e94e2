"""The events a view still needs, as a few sorted runs: appended in batches, merged as they grow, gathered by entity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipelines.semantics.aggregators.ranges import expand_ranges
from pipelines.semantics.events import Times


@dataclass(frozen=True, slots=True)
class Run:
    """Events sorted by entity.

    Attributes:
        entity: int64 numbers of the entities, ascending.
        ts: int64 microseconds.
        ids: Event ids, int64 or text.
        columns: The views' input columns.
        by_time: Positions in the order of event time.
    """

    entity: Times
    ts: Times
    ids: npt.NDArray[np.generic]
    columns: pa.Table
    by_time: Times

    @classmethod
    def of(cls, entity: Times, ts: Times, ids: npt.NDArray[np.generic], columns: pa.Table) -> Run:
        """Sort events into a run."""
        order = np.argsort(entity, kind="stable")
        ts = ts[order]
        return cls(
            entity[order], ts, ids[order], columns.take(pa.array(order)).combine_chunks(), np.argsort(ts, kind="stable")
        )

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.ts)

    def take(self, at: Times) -> Run:
        """Return the events at these positions, in that order; `at` keeps entities ascending."""
        ts = self.ts[at]
        return Run(self.entity[at], ts, self.ids[at], self.columns.take(pa.array(at)), np.argsort(ts, kind="stable"))


class Runs:
    """All events of a view, in runs whose sizes fall at least by half, so that an event is merged a few times only."""

    def __init__(self, runs: list[Run] | None = None) -> None:
        """Start from runs that were saved, or empty."""
        self.runs = runs or []

    def __len__(self) -> int:
        """Return the number of events held."""
        return sum(map(len, self.runs))

    def add(self, run: Run) -> None:
        """Append a run."""
        if len(run):
            self.runs.append(run)

    def merge(self, gone_before: int) -> None:
        """Merge small runs into their neighbours; drop, in what is merged, events older than `gone_before`."""
        while len(self.runs) > 1 and len(self.runs[-2]) < 2 * len(self.runs[-1]):
            newer, older = self.runs.pop(), self.runs.pop()
            joined = _join([older, newer])
            keep = joined.ts >= gone_before
            self.runs.append(joined if keep.all() else joined.take(np.flatnonzero(keep)))

    def between(self, start: int, stop: int) -> Times:
        """Return the entities, with repetitions, of the events with `start <= ts < stop`."""
        found = []
        for run in self.runs:
            lo, hi = np.searchsorted(run.ts, (start, stop), sorter=run.by_time)
            found.append(run.entity[run.by_time[lo:hi]])
        return np.concatenate(found) if found else np.zeros(0, np.int64)

    def gather(self, entities: Times) -> Run | None:
        """Return all events of these entities (ascending, each once), older runs first; None if there are none."""
        parts = []
        for run in self.runs:
            starts = np.searchsorted(run.entity, entities, "left")
            stops = np.searchsorted(run.entity, entities, "right")
            at = expand_ranges(starts, stops - starts)
            if len(at):
                parts.append(run.take(at))
        return _join(parts) if parts else None


def _join(runs: list[Run]) -> Run:
    """Return one run of several; at equal entities, the events of an earlier run come first."""
    if len(runs) == 1:
        return runs[0]
    return Run.of(
        np.concatenate([run.entity for run in runs]),
        np.concatenate([run.ts for run in runs]),
        np.concatenate([run.ids for run in runs]),
        pa.concat_tables([run.columns for run in runs]),
    )
