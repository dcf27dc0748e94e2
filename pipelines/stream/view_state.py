"""The live state of one view, or of one shard of it: events in, the rows that changed out. No Bytewax in here."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipelines.arrange import ids, log_schema, tabulate, times, transformed
from pipelines.plan import ViewPlan
from pipelines.semantics.events import Events, Times, sort_events
from pipelines.semantics.newest import EVER, newest_rows
from pipelines.semantics.timeline import Rows
from pipelines.stream.entities import EntityNumbers
from pipelines.stream.runs import Run, Runs


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What it takes to go on after a restart: plain data, safe to pickle.

    Attributes:
        frontier: The instant, microseconds, up to which rows have been given.
        runs: The events still needed.
        entities: The join keys by entity number; None before the first.
    """

    frontier: int
    runs: tuple[Run, ...]
    entities: pa.Table | None


class ViewState:
    """Follows a plan event by event, in batches.

    Time moves by `now` only. A batch costs in proportion to the entities it touches: those with new events, and those of
    whom an event enters, leaves or ends a session in the step.
    """

    def __init__(self, plan: ViewPlan, snapshot: Snapshot | None = None) -> None:
        """Start empty, or from a snapshot."""
        self.plan = plan
        self.frontier = EVER if snapshot is None else snapshot.frontier
        self._runs = Runs(list(snapshot.runs) if snapshot else None)
        self._numbers = EntityNumbers(plan.keys, snapshot.entities if snapshot else None)
        self._schema = log_schema(plan, transformed(plan, plan.table.schema().empty_table()).schema)

    def __len__(self) -> int:
        """Return the number of events held."""
        return len(self._runs)

    def snapshot(self) -> Snapshot:
        """Return what it takes to go on from here."""
        return Snapshot(self.frontier, tuple(self._runs.runs), self._numbers.table())

    def load(self, events: pa.Table, cut: int) -> None:
        """Take over from a backfill: the events that still matter at `cut`, whose rows before `cut` are stored."""
        run = self._run(events)
        order = sort_events(run.entity, run.ts, run.ids)
        self._runs = Runs([run.take(order)] if len(order) else None)
        self.frontier = cut - 1

    def advance(self, events: pa.Table, now: int) -> pa.Table | None:
        """Add events, move to `now`, and return the newest row of every entity that changed; None if none did.

        Args:
            events: As the topic's schema has them; in any order, each possibly for the second time.
            now: Microseconds; an earlier time than before moves nothing.
        """
        before, self.frontier = self.frontier, max(self.frontier, now)
        new = self._run(events)
        entities = np.unique(np.concatenate([new.entity, self._due(before, self.frontier)]))
        if not len(entities):
            return None
        known = self._runs.gather(entities)
        held = len(known) if known is not None else 0
        both = [known, new] if known is not None else [new]
        entity = np.concatenate([run.entity for run in both])
        ts = np.concatenate([run.ts for run in both])
        order = sort_events(entity, ts, np.concatenate([run.ids for run in both]))
        fresh = np.sort(order[order >= held]) - held
        self._remember(new, fresh)
        columns = pa.concat_tables([run.columns for run in both])
        number = np.searchsorted(entities, entity)
        inputs = {name: columns[name].combine_chunks().take(pa.array(order)) for name in self.plan.inputs}
        rows = newest_rows(self.plan.features, Events(number[order], ts[order], inputs), self.frontier)
        corrected = np.zeros(len(entities), bool)
        late = new.ts[fresh] + self.plan.features[0].window.delay + 1 <= before
        corrected[number[held:][fresh][late]] = True
        rows = _after_corrections(rows, corrected, before)
        table = self._numbers.table()
        if table is None or not len(rows.t):
            return None
        return tabulate(self.plan, table.take(pa.array(entities)), rows, self._schema)

    def _remember(self, new: Run, fresh: Times) -> None:
        self._runs.add(new if len(fresh) == len(new) else new.take(fresh))
        self._runs.merge(gone_before=self.frontier - self.plan.reach)

    def _run(self, events: pa.Table) -> Run:
        events = transformed(self.plan, events)
        plan = self.plan
        entity = self._numbers.number(events) if len(events) else np.zeros(0, np.int64)
        return Run.of(
            entity,
            times(events[plan.table.timestamp]),
            ids(events[plan.table.event_id]),
            events.select(list(plan.inputs)),
        )

    def _due(self, before: int, now: int) -> Times:
        """Return the entities of the events that enter, leave or end a session in `before < t <= now`."""
        if now <= before or not len(self._runs):
            return np.zeros(0, np.int64)
        spans = set()
        for feature in self.plan.features:
            window = feature.window
            spans.add((before - window.delay, now - window.delay))  # enters at ts + delay + 1
            spans.add((window.first(before), window.first(now)))  # has left where the window now starts later
            if feature.gap is not None:
                end = window.delay + feature.gap
                spans.add((before - end + 1, now - end + 1))
        return np.concatenate([self._runs.between(start, stop) for start, stop in spans])


def _after_corrections(rows: Rows, corrected: npt.NDArray[np.bool_], before: int) -> Rows:
    """Return the rows to give: the new ones, and those of entities whose past a late event changed.

    No row given so far is later than `before`; a corrected row takes at least that time, so that it replaces them all.
    """
    late = corrected[rows.entity]
    t = np.where(late, np.maximum(rows.t, before), rows.t)
    return Rows(rows.entity, t, rows.some, rows.values).take((t > before) | late)
